"""Fetches a picture that a reply names by address; what goes wrong becomes the failure of a paid request."""

from collections.abc import Sequence

from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.http.public import MAX_BYTES, NotFetched, PublicFetcher

__all__ = ["MAX_BYTES", "PictureFetcher"]


class PictureFetcher:
    """Fetches pictures that replies name.

    Args:
        own_address: the api_url. Its host and port may be private, since a gateway serves its own pictures.
        hosts: further hosts that may be private, as `NamedHosts` takes them.

    Raises:
        ConfigError: an entry of `hosts` is no host.
    """

    def __init__(self, own_address: str, hosts: Sequence[str] = ()) -> None:
        self._fetcher = PublicFetcher(own_address, hosts)

    async def fetch(self, url: str) -> bytes:
        """The bytes at an address, as `PublicFetcher.fetch`.

        Raises:
            AnswerError: refused: the address may not be fetched from. Or "retry", without another attempt: the picture
                could not be fetched this time.
        """
        try:
            return await self._fetcher.fetch(url)
        except NotFetched as error:
            raise AnswerError(_failure(error)) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._fetcher.close()


def _failure(error: NotFetched) -> Failure:
    if error.refused:
        return Failure("refused", f"the reply names a picture {error.reason}", maybe_paid=True, unconfirmed="link")
    reason = f"the picture that the reply names could not be fetched: {error.reason}"
    # `fetch_linked` tries the download again. Another attempt at the request would be paid once more: retries=0.
    return Failure("retry", reason, retries=0, maybe_paid=True, unconfirmed="fetch")
