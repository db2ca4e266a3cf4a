"""Buckets on a server of this machine, for the tests of sources and fetchers that read them."""

from collections.abc import Iterator

import pytest

from tests.kit.moto import put, serving_buckets

NAMES = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[str]:
    """The address of a server with a bucket `errors`, for all tests of this process: it takes seconds to start."""
    with serving_buckets() as address:
        put(address, {"errors/t.tar": b"", "errors/empty/a.md": b""})
        yield address


@pytest.fixture
def server(bucket_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same address, with the environment of a user who has the keys of its buckets."""
    for name, value in zip(NAMES, (bucket_server, "key", "secret", "us-east-1"), strict=True):
        monkeypatch.setenv(name, value)
    return bucket_server
