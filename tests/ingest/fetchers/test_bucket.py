"""Pictures in buckets are fetched, or fail the row that names them."""

import pytest

from dataflow.errors import ConfigError, RowError
from dataflow.ingest import buckets
from dataflow.ingest.fetchers import fetcher_of
from tests.kit.drawing import draw_png, mark_of
from tests.kit.moto import put

RED, BLUE, GREEN = (draw_png(mark_of(name)) for name in ("red", "blue", "green"))


pytestmark = pytest.mark.usefixtures("server")


def test_an_object_that_cannot_be_had_fails_its_row(server: str) -> None:
    put(server, {"single/a.png": RED})
    fetcher = fetcher_of("s3")
    assert fetcher.fetch("s3://single/a.png") == RED
    for key, said in (("b.png", "there is no such object"), ("../x.png", "it has a key that no object can have")):
        with pytest.raises(RowError, match=said):
            fetcher.fetch(f"s3://single/{key}")
    with pytest.raises(RowError, match="more than 0 MiB"):
        buckets.fetched("s3://single/a.png", 10)


def test_a_server_that_is_gone_ends_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"s3://single: .*; run it again to go on"):
        fetcher_of("s3").fetch("s3://single/a.png")
