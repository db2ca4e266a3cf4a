"""Objects of buckets are read in parts, and what cannot be read is explained."""

import io

import pytest

from dataflow.ingest.buckets import Forward, Object, Ranges, found, split
from tests.kit.moto import put

pytestmark = pytest.mark.usefixtures("server")


def test_parts_of_an_object_are_read_as_those_of_a_file(server: str) -> None:
    data = bytes(range(256)) * 20
    put(server, {"parts/x": data})
    with Forward(found("s3://parts/x"), 1000) as forward:
        assert b"".join(iter(lambda: forward.read(333), b"")) == data
    ranges = Ranges(found("s3://parts/x"))
    assert ranges.seek(-10, io.SEEK_END) == len(data) - 10
    assert (ranges.read(100), ranges.tell()) == (data[-10:], len(data))
    assert (ranges.seek(7), ranges.read(3), ranges.seek(-1, io.SEEK_CUR)) == (7, data[7:10], 9)


def test_an_address_is_a_bucket_and_a_key_as_it_stands() -> None:
    assert split("S3://name/a b/#1?.png") == ("s3://name", "a b/#1?.png")
    assert split("gs://name") == ("gs://name", "")
    here = Object("s3://name", "a/b.png")
    assert (here.url, here.name, here.folder) == ("s3://name/a/b.png", "b.png", "s3://name/a/")
