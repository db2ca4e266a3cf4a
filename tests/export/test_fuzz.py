"""Rows of any shape: an export leaves them out by name or takes them, and never falls over."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.errors import ConfigError
from dataflow.export import export
from tests.kit.exports import STEP, cache_of, photo, row
from tests.kit.tree_loaders import ai_toolkit

ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=6) | st.just("\ud83d half"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["content", "role", "x"]), inner, max_size=2)
    ),
    max_leaves=5,
)
COLUMNS = ("id", "images", "edited_images", "conversations", "instructions", "language", "mask", "verdict", "accepted",
           "turns", "licence", "credit", "roles", "edit_type", "sub_type", "parent_id", "relation",
           "digital_source_type")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("fuzz")
    photo(made / "mask.png", 9, mode="L")
    return made


@given(st.dictionaries(st.sampled_from(COLUMNS), ODD, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_row_of_any_shape_is_taken_or_left_out_by_name(folder: Path, odd: dict[str, object]) -> None:
    good = row(folder, 1)
    cache = cache_of(folder / "cache", [good])
    with (cache / f"{STEP}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({**row(folder, 2), **odd}) + "\n")
    done = export(cache, "musubi,ai-toolkit,diffsynth", folder / "out", skip=True, dry_run=True)
    assert done.rows == 2
    assert sum(done.splits.values()) >= 1


@pytest.mark.parametrize("text", ["half \ud83d", "\ud83d\ude00"[:1] + " at the start"])
def test_half_a_character_is_found(tmp_path: Path, text: str) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1)])
    with (cache / f"{STEP}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row(tmp_path, 2, conversations=text)) + "\n")
    with pytest.raises(ConfigError, match="has half a character"):
        export(cache, "musubi", tmp_path / "out")


def test_a_file_name_that_is_not_utf8_goes_out(tmp_path: Path) -> None:
    one = row(tmp_path, 1)
    odd = Path(one["images"][0]).rename(tmp_path / "caf\udce9.png")
    cache = cache_of(tmp_path / "cache", [])
    with (cache / f"{STEP}.jsonl").open("w", encoding="utf-8") as file:
        file.write(json.dumps({**one, "images": [str(odd)]}) + "\n")
    export(cache, "ai-toolkit", tmp_path / "out")
    assert len(list(ai_toolkit(tmp_path / "out", "train"))) == 1
