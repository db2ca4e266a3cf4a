"""Objects of buckets (`s3://`, `gs://`, `az://`): opened by what the environment says, listed, and read in ranges.

Endpoint, region and credentials are the environment's under the providers' usual names, which obstore reads; nothing is
assumed where they are missing. obstore tries again what fails for a passing reason.
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
"""Bytes of one request for a part of an object: some ten a second fill a line of a gigabit."""

_CHUNKS_AHEAD = 4
_TRIES = 4
_PATIENCE = timedelta(seconds=60)
_ENDPOINTS = {"s3": ("AWS_ENDPOINT_URL", "AWS_ENDPOINT"), "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"), "gs": ()}
_KEYS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public bucket",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or GOOGLE_SKIP_SIGNATURE=true for a public bucket",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_SKIP_SIGNATURE=true for a public one",
}
_METADATA = ("169.254.169.254", "metadata.google.internal", "MissingAccount", "169.254.170.2")


@dataclass(frozen=True, slots=True)
class Object:
    """An object of a bucket.

    Args:
        bucket: its address, `s3://name`.
        key: of the object.
        size: bytes.
        tag: of its contents.
    """

    bucket: str
    key: str
    size: int = 0
    tag: str = ""

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.key.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The address of what its key lies in, which ends in a slash."""
        return self.url.removesuffix(self.name)


def split(url: str) -> tuple[str, str]:
    """The address of a bucket, and the key in it as it stands: names of objects are no paths of the web."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    return f"{scheme.lower()}://{bucket}", key


@contextmanager
def explained(url: str) -> Iterator[None]:
    """What obstore raises, as what the user can do about it.

    Raises:
        RowError: there is no such object, or it may not be read.
        ConfigError: the bucket cannot be reached, or the credentials are missing or wrong.
    """
    from obstore import exceptions

    try:
        yield
    except FileNotFoundError:
        raise RowError("there is no such object") from None
    except (exceptions.PermissionDeniedError, PermissionError) as error:
        raise RowError(f"it may not be read ({_first_line(error)})") from None
    except (exceptions.InvalidPathError, ValueError):  # the second where it does not even look like one
        raise RowError("it has a key that no object can have") from None
    except (exceptions.BaseError, OSError) as error:
        raise ConfigError(f"{split(url)[0]}: {_mend(url, str(error))}") from None


def _mend(url: str, said: str) -> str:
    scheme = url.partition(":")[0].lower()
    if any(each in said for each in _METADATA):
        return f"no credentials are set, and this machine has none of its own: set {_KEYS[scheme]}"
    if any(each in said for each in ("NoSuchBucket", "BucketNotFound", "ContainerNotFound")):
        return "there is no such bucket"
    line = _first_line(said)
    if "region" in said.lower():
        return f"{line}: set AWS_REGION to the region of the bucket"
    if "Unauthenticated" in said or "InvalidAccessKeyId" in said or "SignatureDoesNotMatch" in said:
        return f"the credentials are not accepted ({line}): look at {_KEYS[scheme]}"
    return f"{line}; run it again to go on"


def _first_line(said: object) -> str:
    """What was said, without the body of the answer."""
    return re.split(r":\s*\ufeff?<", str(said).strip().partition("\n")[0])[0][:300]


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
            retry_config={"max_retries": _TRIES, "retry_timeout": _PATIENCE},
        )


def open_bucket(url: str) -> Any:
    """The store of the bucket of an address.

    Raises:
        ConfigError: obstore is not installed, or no bucket is named.
    """
    bucket, _ = split(url)
    if bucket.endswith("://"):
        raise ConfigError(f"{url}: it names no bucket: say {bucket}BUCKET/KEY")
    endpoints = _ENDPOINTS[bucket.partition(":")[0]]
    return _store(bucket, next((os.environ[name] for name in endpoints if os.environ.get(name)), ""))


def listed(url: str) -> Iterator[Object]:
    """The objects below a key, or in the whole bucket, in the order of their keys.

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
        ConfigError: there is none.
    """
    bucket, key = split(url)
    try:
        with explained(url):
            return _object(bucket, open_bucket(url).head(key))
    except RowError as error:
        raise ConfigError(f"{url}: {error}") from None


def fetched(url: str, most: int) -> bytes:
    """The bytes of an object.

    Raises:
        RowError: there is no such object, it may not be read, or it has more than `most` bytes.
        ConfigError: as `explained`.
    """
    with explained(url):
        got = open_bucket(url).get(split(url)[1])
        if got.meta["size"] > most:
            raise RowError(f"it has {got.meta['size']:,} bytes, more than {most >> 20} MiB")
        return bytes(got.bytes())


def _object(bucket: str, meta: Any) -> Object:
    return Object(bucket, meta["path"], meta["size"], (meta["e_tag"] or "").strip('"'))


def ahead(function: Callable[[Item], Made], items: Iterable[Item], count: int) -> Generator[Made]:
    """The results of a function that waits, in order, `count` at the same time."""
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(count, "bucket") as threads:
        try:
            for item in items:
                if len(waiting) >= count:
                    yield waiting.popleft().result()
                waiting.append(threads.submit(function, item))
            while waiting:
                yield waiting.popleft().result()
        finally:
            threads.shutdown(cancel_futures=True)


class Ranges(io.RawIOBase):
    """An object as a file of which parts are read, each by a request of its own."""

    def __init__(self, of: Object) -> None:
        super().__init__()
        self._object = of
        self._at = 0

    def readable(self) -> bool:  # noqa: D102
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def tell(self) -> int:  # noqa: D102
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:  # noqa: D102
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._object.size}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:  # noqa: D102
        view = memoryview(buffer).cast("B")
        data = _range(self._object, self._at, len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


class Forward(io.RawIOBase):
    """An object as a file that is read from front to back, some chunks ahead.

    Args:
        of: the object.
        chunk: bytes of a request.
    """

    def __init__(self, of: Object, chunk: int = CHUNK) -> None:
        super().__init__()
        starts = range(0, of.size, chunk)
        self._chunks = ahead(lambda start: _range(of, start, chunk), starts, _CHUNKS_AHEAD)
        self._left = memoryview(b"")

    def readable(self) -> bool:  # noqa: D102
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:  # noqa: D102
        view = memoryview(buffer).cast("B")
        if not self._left:
            self._left = memoryview(next(self._chunks, b""))
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def close(self) -> None:
        """Ask for no more."""
        self._chunks.close()
        super().close()


def _range(of: Object, start: int, length: int) -> bytes:
    """A part of an object; nothing behind its end.

    Raises:
        OSError: the object is gone, or is another one by now.
    """
    end = min(start + length, of.size)
    if start >= end:
        return b""
    try:
        with explained(of.url):
            return bytes(open_bucket(of.url).get_range(of.key, start=start, end=end))
    except RowError as error:
        raise OSError(f"{of.url}: {error}") from None
