"""Values of a YAML file, and faults told with path, line and name."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.errors import ConfigError, InputError
from dataflow.taxonomy.marked import Marked, read_marked

TEXT = """
name: a cup
number: 2.5
whole: 3
yes: true
list: [a, 7]
nested:
  inner: word
empty: ""
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "own.yaml").write_text(TEXT, encoding="utf-8")
    return tmp_path / "own.yaml"


def test_values_are_read_as_they_are_written(file: Path) -> None:
    fields = read_marked(file).fields()
    assert (fields["name"].text(), fields["number"].text()) == ("a cup", "2.5")
    assert (fields["number"].number(), fields["whole"].whole(), fields["yes"].is_true()) == (2.5, 3, True)
    assert [each.text() for each in fields["list"].items()] == ["a", "7"]
    assert fields["nested"].known(required=("inner",))["inner"].text() == "word"
    assert (fields["list"].is_list, fields["list"].is_text, fields["name"].is_text) == (True, False, True)


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda fields: fields["list"].text(), "6: `list`: expected text"),
        (lambda fields: fields["empty"].text(), "9: `empty`: expected text"),
        (lambda fields: fields["name"].number(), "2: `name`: expected a number above 0"),
        (lambda fields: fields["number"].whole(), "3: `number`: expected a whole number"),
        (lambda fields: fields["name"].is_true(), "2: `name`: expected true or false"),
        (lambda fields: [*fields["name"].items()], "2: `name`: expected a list"),
        (lambda fields: fields["name"].fields(), "2: `name`: expected fields (name: value)"),
        (lambda fields: fields["nested"].known(required=("other",)), "8: `nested`: has no `other`"),
        (
            lambda fields: fields["nested"].known(optional=("a", "b")),
            "8: `inner`: is not known here; the fields are a, b",
        ),
    ],
)
def test_a_value_of_another_form_is_told_with_its_line(
    file: Path, read: Callable[[dict[str, Marked]], object], said: str
) -> None:
    with pytest.raises(InputError) as error:
        read(read_marked(file).fields())
    assert str(error.value) == f"{file}:{said}"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"", ": empty; begin with a copy of the shipped file"),
        (b"a: 1\na: 2\n", ":2: `a`: is here twice"),
        (b'a: "b\n', ": not valid YAML: "),
        ("a: 杯子".encode("gb18030"), ": not UTF-8; convert the file"),
        (b"\xef\xbb\xbfa: 1\n- b\n", ":2: not valid YAML: "),
    ],
)
def test_a_file_that_is_no_such_yaml_is_told(tmp_path: Path, written: bytes, said: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(written)
    with pytest.raises(InputError) as error:
        read_marked(path).fields()
    assert said in str(error.value)


def test_a_missing_file_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read: No such file"):
        read_marked(tmp_path / "none.yaml")
