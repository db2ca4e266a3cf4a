"""Sources of an import that give records as the test lists them, and pictures at addresses that the test lists."""

from collections.abc import Collection

from dataflow.errors import RowError
from dataflow.ingest.fetchers import Fetcher
from dataflow.ingest.records import Broken, Record, Records, Shape
from dataflow.ingest.sources import Source


class Given(Source):
    """Yields the records that the test gives."""

    columns = "images=image"

    def __init__(self, *records: Record | Broken, fetcher: Fetcher | None = None) -> None:
        self._records = records
        self.fetchers = {} if fetcher is None else {"test": fetcher}

    def shape(self) -> Shape:
        return {"image": "picture", "words": "text"}

    def records(self, names: Collection[str]) -> Records:
        yield from self._records


class Host(Fetcher):
    """Fetches from a table of pictures by address, and keeps the addresses that were asked.

    Attributes:
        pictures: address → contents of the picture's file.
        asked: addresses in the order of the fetches.
    """

    def __init__(self, pictures: dict[str, bytes]) -> None:
        self.pictures = pictures
        self.asked: list[str] = []

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.pictures:
            raise RowError("HTTP 404")
        return self.pictures[url]
