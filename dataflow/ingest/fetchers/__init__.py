"""The contract of what fetches pictures from addresses, and which scheme is whose.

A fetcher is a class in a file of its own, opened when the first address of its scheme is met:

    class Gopher(Fetcher):
        def fetch(self, url: str) -> bytes:
            ...

`fetch` is called from as many threads at once as `ahead` says, waits, and tries again itself where that may help. What
is fetched is checked, stored and remembered with its address by the run: a killed import asks for none of it again.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from dataflow.errors import RowError


class NotTried(RowError):
    """An address was not asked, or asks to be asked later: it may well give its picture, so it is not kept as dead."""


class Fetcher(ABC):
    """Fetches what lies at addresses.

    Attributes:
        ahead: how many at once.
    """

    ahead: int = 64

    @classmethod
    def opened(cls, hosts: Sequence[str] = ()) -> "Fetcher":
        """A new one; most need to know no `hosts`, which are those of one's own network from which may be fetched."""
        del hosts
        return cls()

    @abstractmethod
    def fetch(self, url: str) -> bytes:
        """The bytes at an address, at most `dataflow.ingest.records.MAX_BYTES`; called in threads.

        Raises:
            RowError: it is dead, refused, too large; says why, with the status.
            NotTried: nothing is known of it yet.
            ConfigError, NotStored: none can be fetched, since a key is wrong, say; ends the import.
        """

    def close(self) -> None:
        """Let go of connections; what is being fetched ends with a `RowError`. It may be called twice."""


FETCHERS: Mapping[str, tuple[str, str]] = {
    "http": ("http", "Http"),
    "https": ("http", "Http"),
    "s3": ("bucket", "Bucket"),
    "gs": ("bucket", "Bucket"),
    "az": ("bucket", "Bucket"),
}
"""Scheme → module and class here; loaded when such an address is met."""


def scheme_of(url: str) -> str:
    """The scheme of an address, in small letters.

    Raises:
        RowError: it is no address, such as one with half of an IPv6 address.
    """
    try:
        return urlsplit(url).scheme.lower()
    except ValueError as error:
        raise RowError(f"it is no address: {error}") from None


def fetcher_of(scheme: str, hosts: Sequence[str] = ()) -> Fetcher:
    """A new fetcher of a scheme.

    Args:
        scheme: of an address.
        hosts: of one's own network, from which may be fetched.

    Raises:
        RowError: there is none.
    """
    if scheme not in FETCHERS:
        raise RowError(f"addresses of {scheme!r} are not fetched; those of {', '.join(FETCHERS)} are")
    module, name = FETCHERS[scheme]
    found: type[Fetcher] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return found.opened(hosts)
