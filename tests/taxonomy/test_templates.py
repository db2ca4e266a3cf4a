"""The words of the writer that needs no model."""

from pathlib import Path

import pytest

from dataflow.errors import InputError
from dataflow.taxonomy.taxonomy import shipped_taxonomy
from dataflow.taxonomy.templates import SHIPPED, read_templates, shipped_templates


def test_every_shipped_operation_can_be_written() -> None:
    templates = shipped_templates()
    assert set(templates.says) == set(shipped_taxonomy().operations)
    for name, saying in templates.says.items():
        operation = shipped_taxonomy().operations[name]
        assert bool(saying.targets) >= operation.names_target, name
        assert len(saying.targets) in (0, 1) or len(saying.targets) >= operation.most_pictures, name


def test_no_list_says_a_word_twice() -> None:
    for slot, words in shipped_templates().words.items():
        for language in ("en", "zh"):
            said = [word.within(language) for word in words]
            assert len(set(said)) == len(said), (slot, language)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("- ceramic vase | 陶瓷花瓶 | 只", "- ceramic vase", 'expected "English | Chinese"'),
        ("other: thing\n", "other: things\n", "'things' is no list of words here"),
        ("shows: [plain_person]\n", "shows: [nothing]\n", "there is no description of 'nothing'"),
        ("Remove the {thing}. |", "Remove the {thong}. |", "there are no words for {thong}"),
        ("target: [person, new_garment]", "target: [person, hat]", "there are no words for 'hat'"),
        ("setting: place\n", "setting: person\n", "is none of the further targets: animal, thing, place"),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    path = tmp_path / "own.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_templates(path)
    assert said in str(error.value)
    assert str(error.value).startswith(f"{path}:{text[: text.index(old)].count(chr(10)) + 1}: ")


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(SHIPPED.read_text(encoding="utf-8").replace("quoted: [writing, new_writing]\n", ""), "utf-8")
    with pytest.raises(InputError, match="has no `quoted`"):
        read_templates(path)
