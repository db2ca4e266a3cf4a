"""Fetches pictures from buckets, with the credentials of the environment."""

from dataflow.ingest.buckets import fetched
from dataflow.ingest.fetchers import Fetcher
from dataflow.ingest.records import MAX_BYTES


class Bucket(Fetcher):
    """Fetches objects of `s3://`, `gs://` and `az://`."""

    def fetch(self, url: str) -> bytes:
        """The bytes of an object.

        Raises:
            RowError: there is no such object, it may not be read, or it is too large.
            ConfigError: the bucket cannot be reached, or the credentials are missing or wrong.
        """
        return fetched(url, MAX_BYTES)
