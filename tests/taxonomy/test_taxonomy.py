"""The shipped taxonomy, and what is told of a broken one."""

from pathlib import Path

import pytest

from dataflow.errors import ConfigError, InputError
from dataflow.taxonomy.answers import language_of
from dataflow.taxonomy.taxonomy import SHIPPED, fields_of, read_taxonomy, shipped_taxonomy

GROUPS = {
    "object": 30,
    "scene": 16,
    "person": 14,
    "style": 9,
    "text": 9,
    "photometric": 5,
    "camera": 5,
    "reference": 7,
    "compound": 5,
}

ONE = """
things:
  zh: 物体
  operations:
    grow:
      share: 2
      zh: 长大
      target: true
      good: Say how much.
      example:
        description: A pear.
        target: pear
        short_en: Grow the pear.
        long_en: Let the pear grow larger.
        short_zh: 让梨长大。
        long_zh: 让梨长得更大一些。
"""


def broken(tmp_path: Path, text: str) -> str:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_taxonomy(path)
    return str(error.value).removeprefix(f"{path}:")


def test_the_shipped_shares_are_those_of_the_sources() -> None:
    operations = shipped_taxonomy().operations.values()
    totals = {group: sum(each.share for each in operations if each.group == group) for group in GROUPS}
    assert totals == pytest.approx(GROUPS)


def test_every_shipped_example_keeps_the_rules_that_answers_are_held_to() -> None:
    for each in shipped_taxonomy().operations.values():
        example = each.example
        assert set(example) == set(
            fields_of(each.pictures[0], names_target=each.names_target, languages=("en", "zh"))
        ), each.name
        for name, value in example.items():
            kind, _, rest = name.partition("_")
            if kind in ("short", "long"):
                assert language_of(value) == rest, (each.name, name)
            if kind == "target":
                description = example[name.replace("target", "description")]
                assert value in description, (each.name, name)
                language = language_of(description)
                for form in ("short", "long"):
                    words = example[f"{form}_{language}"]
                    assert value in words, (each.name, form)
        for language in ("en", "zh"):
            assert len(example[f"short_{language}"]) < len(example[f"long_{language}"]), each.name


def test_shares_add_up_and_follow_a_mix() -> None:
    taxonomy = shipped_taxonomy()
    assert sum(taxonomy.shares().values()) == pytest.approx(1)
    mixed = taxonomy.shares({"object": 3, "pose": 1})
    assert mixed["pose"] == pytest.approx(0.25)
    assert mixed["add"] == pytest.approx(0.75 * 6 / 30)
    assert "age" not in mixed


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ({"add": 1e308, "pose": 1e308}, "add up to more"),
        ({"fly": 1}, r"'fly', which is neither an operation \(add, .*\) nor a group \(object, .*\)"),
        ({"add": 0}, "above 0"),
        ({"add": float("nan")}, "above 0"),
        ({}, "empty"),
    ],
)
def test_a_mix_that_cannot_be_met_is_refused(mix: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        shipped_taxonomy().shares(mix)


def test_ones_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(ONE, encoding="utf-8")
    grow = read_taxonomy(tmp_path / "own.yaml").operations["grow"]
    assert grow.keeps == "shape"
    assert (grow.group, grow.share, grow.names_target, grow.pictures) == ("things", 100, True, (1, 1))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("share: 2", "share: two", "6: `share`: expected a number above 0"),
        ("share: 2", "share: -2", "6: `share`: expected a number above 0"),
        ("      zh: 长大\n", "", "6: `grow`: has no `zh`"),
        ("target: true", "target: perhaps", "8: `target`: expected true or false"),
        ("      good:", "      goood:", "6: `grow`: has no `good`"),
        ("target: true", "target: true\n      pictures: [3, 2]", "9: `pictures`: expected a number from 1 to 4"),
        ("target: true", "target: true\n      refers: [smell]", "9: `refers`: expected a list of position"),
        (
            "target: true",
            "target: true\n      keeps: calm",
            "9: `keeps`: expected one of all, rest, layout, scene, shape",
        ),
        ("target: true", "target: true\n      invertible: no", "9: `invertible`: expected true or false"),
        ("target: true", "target: true\n      colour: red", "9: `colour`: is not known here; the fields are share"),
        ("zh: 物体", "zh: [物体]", "3: `zh`: expected text"),
        ("        target: pear\n", "", "11: `example`: has no `target`"),
        ("zh: 物体", 'zh: "物体', "not valid YAML"),
        ("zh: 物体", "zh: " + "[" * 1500, "nested too deeply"),
        ("      share: 2", "      share: 2\n      share: 3", "7: `share`: is here twice"),
        ("    grow:", "    things:", "6: `things`: is the name of another operation or group"),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in broken(tmp_path, ONE.replace(old, new))


def test_each_operation_leads_back_by_itself_another_or_none(tmp_path: Path) -> None:
    operations = shipped_taxonomy().operations
    assert [operations[name].inverse for name in ("recolour", "add", "text_remove", "restore")] == [
        "recolour",
        "remove",
        "text_add",
        "",
    ]
    (tmp_path / "own.yaml").write_text(ONE.replace("share: 2", "share: 2\n      invertible: false"), encoding="utf-8")
    assert read_taxonomy(tmp_path / "own.yaml").operations["grow"].inverse == ""
    (tmp_path / "part.yaml").write_text(ONE.replace("share: 2", "share: 2\n      inverse: shrink"), encoding="utf-8")
    assert read_taxonomy(tmp_path / "part.yaml").operations["grow"].inverse == "shrink", "which another file may have"


def test_files_that_are_no_taxonomy(tmp_path: Path) -> None:
    assert "empty" in broken(tmp_path, "")
    assert "expected fields" in broken(tmp_path, "- a\n- b\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_taxonomy(tmp_path / "none.yaml")


def test_a_copy_of_the_shipped_one_reads_the_same(tmp_path: Path) -> None:
    (tmp_path / "copy.yaml").write_bytes(SHIPPED.read_bytes())
    assert read_taxonomy(tmp_path / "copy.yaml") == shipped_taxonomy()
