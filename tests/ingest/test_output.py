"""The files of an import: what stands in them, whose they are, and what an earlier import left."""

from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

import orjson
import pytest

from dataflow.core.records import JSON
from dataflow.errors import ConfigError, StepFailed
from dataflow.ingest import sources
from dataflow.ingest.records import Broken, Local, Record, Records
from dataflow.ingest.run import import_rows
from tests.kit.given import Given
from tests.kit.publishers import pairs


def test_where_every_record_fails_the_errors_are_kept_and_no_rows_are_written(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="every record failed"):
        import_rows(Given(Broken("a", "it is torn")), tmp_path / "rows.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.errors.jsonl"]


def test_errors_of_an_earlier_import_go_once_nothing_fails(tmp_path: Path) -> None:
    good = Record("a", {"image": pairs(tmp_path)[0].source})
    done = import_rows(Given(good, Broken("b", "torn")), tmp_path / "rows.jsonl")
    assert done.errors.exists()
    import_rows(Given(good), tmp_path / "rows.jsonl")
    assert not done.errors.exists()


def test_a_file_of_somebody_else_is_not_written_over(tmp_path: Path) -> None:
    good = Record("a", {"image": pairs(tmp_path)[0].source})
    for name in ("rows.meta.json", "rows.errors.jsonl"):
        (tmp_path / name).write_text("{}\n")
        with pytest.raises(ConfigError, match=f"{name} is there already, and no import made it"):
            import_rows(Given(good), tmp_path / "rows.jsonl")
        (tmp_path / name).unlink()
    out = tmp_path / "rows.jsonl"
    out.write_text("{}\n")
    with pytest.raises(ConfigError, match="no import made it"):
        import_rows(Given(good), out)
    out.unlink()
    import_rows(Given(good), out)
    with out.open("a") as file:
        file.write("{}\n")
    with pytest.raises(ConfigError, match="was changed since it was imported"):
        import_rows(Given(good), out)
    with pytest.raises(ConfigError, match=r"ends in \.jsonl"):
        import_rows(Given(good), tmp_path / "rows.csv")


def test_two_imports_into_one_file_do_not_mix(tmp_path: Path) -> None:
    good = Record("a", {"image": pairs(tmp_path)[0].source})

    class Meanwhile(Given):
        def records(self, names: Collection[str]) -> Records:
            with pytest.raises(ConfigError, match="another import writes"):
                import_rows(Given(good), tmp_path / "rows.jsonl")
            yield good

    assert import_rows(Meanwhile(), tmp_path / "rows.jsonl").rows == 1


def test_what_the_rows_come_from_stands_beside_them(tmp_path: Path) -> None:
    class Told(Given):
        def facts(self) -> dict[str, str]:
            return {"revision": "abc"}

    done = import_rows(Told(Record("a", {"image": pairs(tmp_path)[0].source})), tmp_path / "rows.jsonl")
    meta = orjson.loads((tmp_path / "rows.meta.json").read_bytes())
    assert meta["facts"] == {"revision": "abc"}
    assert (meta["columns"], meta["store"]) == (["images=image"], str(done.store))


class Revised(Given):
    revisions: ClassVar[list[str]] = []

    def facts(self) -> dict[str, JSON]:
        return {"revision": self.revisions[-1] or "newest"}


def open_revised(given: sources.Given) -> Revised:
    Revised.revisions.append(given.revision)
    return Revised(Record("a", {"image": Local(given.one_file()), "words": "a"}))


def test_a_second_import_reads_the_revision_of_the_first(tmp_path: Path) -> None:
    picture, out = tmp_path / "a.png", tmp_path / "rows.jsonl"
    picture.write_bytes(pairs(tmp_path)[1].source)
    kind = f"{__name__}:open_revised"
    for revision in ("", "", "v2", ""):
        import_rows(str(picture), out, kind=kind, revision=revision)
    assert Revised.revisions == ["", "newest", "v2", "v2"]
    import_rows(str(tmp_path / "*.png"), out, kind=kind)
    assert Revised.revisions[-1] == "", "another source has revisions of its own"
