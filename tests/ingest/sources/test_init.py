"""Which kind of source something is, and kinds of one's own."""

from collections.abc import Collection
from pathlib import Path

import pytest

from dataflow.errors import ConfigError, InputError
from dataflow.ingest.records import Record, Records, Shape
from dataflow.ingest.run import import_rows
from dataflow.ingest.sources import Given, Source, kind_of, reads, source_of


class Own(Source):
    def shape(self) -> Shape:
        return {"a": "text"}

    def records(self, names: Collection[str]) -> Records:
        yield Record("the only one", {"a": "b"})


def open_own(given: Given) -> Source:
    return Own()


def open_nothing(given: Given) -> object:
    return given.text


def test_a_kind_shows_in_the_name(tmp_path: Path) -> None:
    assert kind_of(str(tmp_path)) == "folder"
    for name, kind in {
        "a.parquet": "parquet",
        "b/train-*.PARQUET": "parquet",
        "c.csv": "csv",
        "d.ndjson": "jsonl",
    }.items():
        assert kind_of(name) == kind
    assert kind_of("a.docx") == ""


def test_a_kind_of_ones_own_is_one_opener(tmp_path: Path) -> None:
    source = source_of(str(tmp_path), f"{__name__}:open_own")
    assert [record.fields for record in source.records(("a",))] == [{"a": "b"}]
    for kind in (f"{__name__}:open_nothing", f"{__name__}:missing", "no_module:x", "unheard"):
        with pytest.raises(ConfigError, match=r"--kind|no kind"):
            source_of(str(tmp_path), kind)


def test_rows_are_no_source_of_themselves(tmp_path: Path) -> None:
    for text in ("*.jsonl", "rows.jsonl", "{a,rows}.jsonl", "../*/r*.jsonl"):
        assert reads(f"{tmp_path}/{text}", tmp_path / "rows.jsonl"), text
    for text in ("*.csv", "sub/*.jsonl", "../*.jsonl", ""):
        assert not reads(f"{tmp_path}/{text}", tmp_path / "rows.jsonl"), text
    assert not reads("hf:a/b:train", tmp_path / "rows.jsonl")
    (tmp_path / "a.jsonl").write_text('{"image": "a.png"}\n')
    with pytest.raises(ConfigError, match=r"--out .* is one of the files that .* names: name one elsewhere"):
        import_rows(f"{tmp_path}/*.jsonl", tmp_path / "all.jsonl", columns="images=image")


def test_what_is_not_there_or_of_no_kind_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is nothing"):
        source_of(str(tmp_path / "*.parquet"))
    with pytest.raises(InputError, match="there is nothing"):
        source_of(str(tmp_path / "photos"))
    (tmp_path / "a.docx").touch()
    (tmp_path / "a.JPG").touch()
    with pytest.raises(ConfigError, match="of pictures name the folder"):
        source_of(str(tmp_path / "*.JPG"))
    with pytest.raises(ConfigError, match="not clear what this is: choose --kind"):
        source_of(str(tmp_path / "a.docx"))
