"""The contract of a fetcher, which gets pictures from addresses, and the table of schemes.

A fetcher is a class in a file of its own. It is opened when the import meets the first address of its scheme:

    class Gopher(Fetcher):
        def fetch(self, url: str) -> bytes:
            ...

`fetch` is called from many threads at once; it waits for the server, and retries where that may help. The import checks
and stores what `fetch` returns, and remembers the address, so that a later import does not fetch it again.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from dataflow.errors import RowError


class NotTried(RowError):
    """An address was not asked, or its server asks to wait; a later import may succeed, so the address is not dead."""


class Fetcher(ABC):
    """Fetches the bytes at addresses of one scheme.

    Attributes:
        ahead: most fetches at once.
    """

    ahead: int = 64

    @classmethod
    def opened(cls, hosts: Sequence[str] = ()) -> "Fetcher":
        """Make a fetcher.

        Args:
            hosts: hosts of the user's own network from which pictures may be fetched; most fetchers need none.
        """
        del hosts
        return cls()

    @abstractmethod
    def fetch(self, url: str) -> bytes:
        """The bytes at an address, at most `dataflow.ingest.records.MAX_BYTES`; called from several threads.

        Raises:
            RowError: the address is dead, refused, or holds too much; the message says why, with the status.
            NotTried: the address was not asked, or its server asks to wait.
            ConfigError, NotStored: no address can be fetched, such as with a wrong key; the import ends.
        """

    def close(self) -> None:
        """Close all connections; fetches that run end with a `RowError`. It may be called twice."""


FETCHERS: Mapping[str, tuple[str, str]] = {
    "http": ("http", "Http"),
    "https": ("http", "Http"),
    "s3": ("bucket", "Bucket"),
    "gs": ("bucket", "Bucket"),
    "az": ("bucket", "Bucket"),
}
"""Scheme → module in this folder and class in it, loaded when the import meets the first such address."""


def scheme_of(url: str) -> str:
    """The scheme of an address, in small letters.

    Raises:
        RowError: the text is no address, such as `http://[::1`.
    """
    try:
        return urlsplit(url).scheme.lower()
    except ValueError as error:
        raise RowError(f"it is no address: {error}") from None


def fetcher_of(scheme: str, hosts: Sequence[str] = ()) -> Fetcher:
    """Make a fetcher for a scheme.

    Args:
        scheme: of an address.
        hosts: hosts of the user's own network from which pictures may be fetched.

    Raises:
        RowError: no fetcher knows the scheme.
    """
    if scheme not in FETCHERS:
        raise RowError(f"addresses of {scheme!r} are not fetched; those of {', '.join(FETCHERS)} are")
    module, name = FETCHERS[scheme]
    found: type[Fetcher] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return found.opened(hosts)
