"""Lists objects of buckets (`s3://`, `gs://`, `az://`), and reads them whole or in ranges.

obstore reads endpoint, region and credentials from the environment, under the providers' usual names; nothing is
assumed where one is missing. obstore also retries what fails for a passing reason.
"""

import io
import os
import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from dataflow.errors import ConfigError, RowError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Item = TypeVar("Item")
Made = TypeVar("Made")

CHUNK = 8 << 20
"""Bytes that one request reads of an object: some fifteen requests a second fill a line of one gigabit a second."""

_CHUNKS_AHEAD = 4  # requests of `Forward` that run at once
_RETRIES = 4
_RETRY_TIME = timedelta(seconds=60)  # for all retries of a request
_ENDPOINTS = {"s3": ("AWS_ENDPOINT_URL", "AWS_ENDPOINT"), "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"), "gs": ()}
_KEYS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public bucket",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or GOOGLE_SKIP_SIGNATURE=true for a public bucket",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_SKIP_SIGNATURE=true for a public one",
}
# Addresses that obstore asks for credentials where the environment has none: they appear in its messages then.
_METADATA = ("169.254.169.254", "metadata.google.internal", "MissingAccount", "169.254.170.2")


@dataclass(frozen=True, slots=True)
class Object:
    """An object of a bucket.

    Args:
        bucket: address of the bucket, `s3://name`.
        key: key of the object in the bucket.
        size: bytes; 0: not known.
        tag: ETag, which changes with the contents; "": not known.
    """

    bucket: str
    key: str
    size: int = 0
    tag: str = ""

    @property
    def url(self) -> str:
        """The address of the object."""
        return f"{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The address of the object without `name`; it ends in a slash."""
        return self.url.removesuffix(self.name)


def split(url: str) -> tuple[str, str]:
    """Split an address into the bucket's address and the key, which is not URL-encoded and stays as it stands."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    return f"{scheme.lower()}://{bucket}", key


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Raise our errors, with a mend, in place of those of obstore.

    Args:
        url: address of an object or a bucket.

    Raises:
        RowError: there is no such object, or the object may not be read.
        ConfigError: the bucket cannot be reached, or the credentials are missing or wrong.
    """
    from obstore import exceptions

    try:
        yield
    except FileNotFoundError:
        raise RowError("there is no such object") from None
    except (exceptions.PermissionDeniedError, PermissionError) as error:
        raise RowError(f"it may not be read ({_first_line(error)})") from None
    except (exceptions.InvalidPathError, ValueError):  # ValueError: the text does not even look like a key
        raise RowError("it has a key that no object can have") from None
    except (exceptions.BaseError, OSError) as error:
        raise ConfigError(f"{split(url)[0]}: {_mend(url, str(error))}") from None


def _mend(url: str, message: str) -> str:
    """What is wrong with a bucket or its settings, and the mend, by the message of obstore."""
    scheme = url.partition(":")[0].lower()
    if any(each in message for each in _METADATA):
        return f"no credentials are set, and this machine has none of its own: set {_KEYS[scheme]}"
    if any(each in message for each in ("NoSuchBucket", "BucketNotFound", "ContainerNotFound")):
        return "there is no such bucket"
    line = _first_line(message)
    if "region" in message.lower():
        return f"{line}: set AWS_REGION to the region of the bucket"
    if "Unauthenticated" in message or "InvalidAccessKeyId" in message or "SignatureDoesNotMatch" in message:
        return f"the credentials are not accepted ({line}): look at {_KEYS[scheme]}"
    return f"{line}; run it again to go on"


def _first_line(message: object) -> str:
    """The first line of a message, without the body of a server's answer."""
    return re.split(r":\s*\ufeff?<", str(message).strip().partition("\n")[0])[0][:300]


@cache
def _store(bucket: str, endpoint: str) -> Any:
    try:
        from obstore.store import from_url
    except ImportError:
        raise ConfigError("buckets need obstore: pip install 'dataflow-mm[buckets]'") from None
    with explained(bucket):
        return from_url(
            bucket,
            client_options={"timeout": "60s", "connect_timeout": "10s", "allow_http": endpoint.startswith("http://")},
            retry_config={"max_retries": _RETRIES, "retry_timeout": _RETRY_TIME},
        )


def open_bucket(url: str) -> Any:
    """Open the bucket of an address; returns an obstore store.

    Raises:
        ConfigError: obstore is not installed, or the address names no bucket.
    """
    bucket, _ = split(url)
    if bucket.endswith("://"):
        raise ConfigError(f"{url}: it names no bucket: say {bucket}BUCKET/KEY")
    endpoints = _ENDPOINTS[bucket.partition(":")[0]]
    return _store(bucket, next((os.environ[name] for name in endpoints if os.environ.get(name)), ""))


def listed(url: str) -> Iterator[Object]:
    """Stream the objects below a prefix, or of the whole bucket, in the order of their keys.

    Raises:
        ConfigError: the bucket cannot be listed.
    """
    bucket, prefix = split(url)
    try:
        with explained(url):
            for batch in open_bucket(url).list(prefix.rstrip("/") or None):
                yield from (_object(bucket, meta) for meta in batch)
    except RowError as error:
        raise ConfigError(f"{url}: {error}") from None


def found(url: str) -> Object:
    """The object at an address.

    Raises:
        ConfigError: there is no such object, or it cannot be reached.
    """
    bucket, key = split(url)
    try:
        with explained(url):
            return _object(bucket, open_bucket(url).head(key))
    except RowError as error:
        raise ConfigError(f"{url}: {error}") from None


def fetched(url: str, most: int) -> bytes:
    """The bytes of an object.

    Args:
        url: address of the object.
        most: bytes that it may have.

    Raises:
        RowError: there is no such object, it may not be read, or it has more than `most` bytes.
        ConfigError: the bucket cannot be reached, or the credentials are missing or wrong.
    """
    with explained(url):
        got = open_bucket(url).get(split(url)[1])
        if got.meta["size"] > most:
            raise RowError(f"it has {got.meta['size']:,} bytes, more than {most >> 20} MiB")
        return bytes(got.bytes())


def _object(bucket: str, meta: Any) -> Object:
    return Object(bucket, meta["path"], meta["size"], (meta["e_tag"] or "").strip('"'))


def ahead(function: Callable[[Item], Made], items: Iterable[Item], count: int) -> Generator[Made]:
    """Call a function that waits for a server on each item, with `count` calls at once; yields the results in order."""
    pending: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(count, "bucket") as threads:
        try:
            for item in items:
                if len(pending) >= count:
                    yield pending.popleft().result()
                pending.append(threads.submit(function, item))
            while pending:
                yield pending.popleft().result()
        finally:
            threads.shutdown(cancel_futures=True)


class Ranges(io.RawIOBase):
    """An object as a seekable file; each read is a request of its own."""

    def __init__(self, source: Object) -> None:
        super().__init__()
        self._object = source
        self._position = 0

    def readable(self) -> bool:  # noqa: D102
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def tell(self) -> int:  # noqa: D102
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:  # noqa: D102
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._object.size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:  # noqa: D102
        view = memoryview(buffer).cast("B")
        data = _range(self._object, self._position, len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


class Forward(io.RawIOBase):
    """An object as a file that is read from front to back, with some requests ahead.

    Args:
        source: the object.
        chunk: bytes of one request.
    """

    def __init__(self, source: Object, chunk: int = CHUNK) -> None:
        super().__init__()
        starts = range(0, source.size, chunk)
        self._chunks = ahead(lambda start: _range(source, start, chunk), starts, _CHUNKS_AHEAD)
        self._unread = memoryview(b"")

    def readable(self) -> bool:  # noqa: D102
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:  # noqa: D102
        view = memoryview(buffer).cast("B")
        if not self._unread:
            self._unread = memoryview(next(self._chunks, b""))
        count = min(len(view), len(self._unread))
        view[:count] = self._unread[:count]
        self._unread = self._unread[count:]
        return count

    def close(self) -> None:
        """Cancel the requests that have not begun, and wait for the others."""
        self._chunks.close()
        super().close()


def _range(source: Object, start: int, length: int) -> bytes:
    """Bytes of an object from `start`; fewer than `length` at the end of the object.

    Raises:
        OSError: the object is gone.
    """
    end = min(start + length, source.size)
    if start >= end:
        return b""
    try:
        with explained(source.url):
            return bytes(open_bucket(source.url).get_range(source.key, start=start, end=end))
    except RowError as error:
        raise OSError(f"{source.url}: {error}") from None
