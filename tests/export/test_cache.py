"""Which rows of a cache directory are exported, and where their pictures may lie."""

import json
import os
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.export.cache import find_source
from tests.kit.flow import write_rows

EDITED: list[dict[str, object]] = [{"images": ["a.png"], "edited_images": ["b.png"]}]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Three steps: words, edits, a later one without edits; a judged one of another prefix, older than all."""
    files: dict[str, list[dict[str, object]]] = {
        "run_step1": [{"input_text": "a"}],
        "run_step2": EDITED,
        "run_step3": [{"input_text": "b"}],
        "judged_step1": EDITED,
        "run_step2.rejected": EDITED,
    }
    for age, (name, rows) in enumerate(files.items()):
        path = write_rows(tmp_path / f"{name}.jsonl", rows)
        os.utime(path, (1000 + age, 1000 + age) if name != "judged_step1" else (1, 1))
    for name in ("run_step1", "run_step2", "run_step3", "judged_step1"):
        (tmp_path / f"{name}.meta.json").write_text(json.dumps({"operator": name}))
    return tmp_path


def test_the_newest_step_with_edits_is_taken(cache: Path) -> None:
    source = find_source(cache)
    assert (source.path, source.name) == (cache / "run_step2.jsonl", "run_step2")


def test_meta_files_of_later_steps_say_nothing_of_it(cache: Path) -> None:
    assert list(find_source(cache).metas) == ["run_step1", "run_step2", "judged_step1"]


def test_a_step_or_a_file_can_be_named(cache: Path) -> None:
    assert find_source(cache, 3).name == "run_step3"
    assert find_source(cache / "run_step1.jsonl").name == "run_step1"
    assert find_source(write_rows(cache / "mine.jsonl", EDITED)).name == "mine"


@pytest.mark.parametrize(
    ("step", "said"), [(1, "step 1 is any of .*: give the file itself"), (9, "has no step 9: its steps are 1, 2, 3")]
)
def test_a_step_that_is_not_there_or_not_the_only_one_is_told(cache: Path, step: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        find_source(cache, step)


def test_a_cache_without_an_accepted_edit_says_so(tmp_path: Path) -> None:
    write_rows(tmp_path / "run_step1.jsonl", [])
    write_rows(tmp_path / "run_step1.rejected.jsonl", EDITED)
    with pytest.raises(ConfigError, match="has no accepted edit to export: `dataflowmm view` shows the rejected ones"):
        find_source(tmp_path)


def test_side_outputs_lie_beside_their_step(cache: Path) -> None:
    source = find_source(cache)
    with pytest.raises(ConfigError, match=r"run_step2\.pairs\.jsonl is not there: pairs come of an accept loop"):
        source.file("pairs")
    write_rows(cache / "run_step2.pairs.jsonl", EDITED)
    assert [place for place, _ in source.rows("pairs")] == ["run_step2.pairs.jsonl:1"]


def test_a_copy_of_a_cache_has_the_same_last_step(tmp_path: Path) -> None:
    """Whatever was copied first: step 10 is not before step 9, and no step of edits goes before that which judged."""
    for number, when in ((1, 3), (9, 2), (10, 1)):
        os.utime(write_rows(tmp_path / f"run_step{number}.jsonl", EDITED), (when, when))
    assert find_source(tmp_path).name == "run_step10"
    os.utime(write_rows(tmp_path / "other_step1.jsonl", EDITED), (4, 4))
    assert find_source(tmp_path).name == "other_step1"
