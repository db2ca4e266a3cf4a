"""`--where`: what an expression may hold, what it says of a row, and that nothing in it is ever run."""

import ast
import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.export.select import read_where

ROW: dict[str, JSON] = {
    "score": 7.5,
    "edit_type": "object",
    "tries": 2,
    "accepted": True,
    "name": 'O\'Hara "x"',
    "inputs": 1,
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("score >= 7", True),
        ("score >= 7 and edit_type in ('add', 'object')", True),
        ("edit_type not in ['object']", False),
        ("not (score < 7 or tries > 2)", True),
        ("7 < score <= 7.5", True),
        ("'bje' in edit_type", True),
        ("accepted", True),
        ("accepted == False", False),
        ("score > -1", True),
        ("missing == None", True),
        ("missing > 3", False),
        ("missing <= 3", False),
        ("missing in (1, 2)", False),
        ("name == 'O\\'Hara \"x\"'", True),
        ("inputs == 1.0", True),
    ],
)
def test_what_it_says_of_a_row(text: str, *, holds: bool) -> None:
    assert read_where(text)(ROW) is holds


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "score.__class__",
        "open('x')",
        "[x for x in (1, 2)]",
        "lambda: 1",
        "score if accepted else 1",
        "score + 1 > 2",
        "f'{score}'",
        "score == b'x'",
        "edit_type[0] == 'o'",
        "score is None",
        "(x := 3)",
        "score >=",
        "",
        "a = 1",
        "1" * 5000,
        "(" * 1500 + "1" + ")" * 1500,
        "score == 1j",
        "*score",
        "'score >= 7'",
        "3 > 2",
        "...",
    ],
)
def test_what_is_more_than_that_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_where(text)
    assert "\n" not in str(refused.value)[:100]
    assert "--where" in str(refused.value)


@pytest.mark.parametrize("text", ["score > 'a'", "edit_type < 3", "3 in score", "3 in edit_type"])
def test_texts_and_numbers_are_not_compared(text: str) -> None:
    with pytest.raises(ConfigError, match="--where"):
        read_where(text)(ROW)


def test_a_name_that_no_row_has_is_told() -> None:
    condition = read_where("scroe >= 7 and tries == 2")
    condition(ROW)
    with pytest.raises(ConfigError, match="no row has a value 'scroe'"):
        condition.check_names()


NAMES = st.sampled_from([*ROW, "missing"])
CONSTANTS = st.one_of(st.integers(-9, 9), st.floats(-9, 9), st.sampled_from(["object", "a", True, False, None]))
COMPARES = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])


def sided(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda each: f"({' '.join(each)})")
    return st.one_of(pairs, inner.map(lambda each: f"(not {each})"))


COMPARISONS = st.tuples(NAMES, COMPARES, CONSTANTS.map(repr)).map(" ".join)
MEMBERS = st.tuples(NAMES, st.lists(CONSTANTS, max_size=3).map(repr)).map(" in ".join)
EXPRESSIONS = st.recursive(st.one_of(COMPARISONS, MEMBERS), sided, max_leaves=6)


def as_python(text: str) -> bool:
    """The same by Python itself, where a comparison with None, or of a text with a number, is an error."""
    return bool(eval(text, {"__builtins__": {}}, {"missing": None, **ROW}))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EXPRESSIONS)
def test_it_says_what_python_says_where_python_says_something(text: str) -> None:
    try:
        expected = as_python(text)
    except TypeError:
        with contextlib.suppress(ConfigError):
            read_where(text)(ROW)
        return
    assert read_where(text)(ROW) is expected


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_a_sentence(text: str) -> None:
    with contextlib.suppress(ConfigError):
        read_where(text)(ROW)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([each for each in vars(ast).values() if isinstance(each, type) and issubclass(each, ast.expr)]))
def test_no_kind_of_node_is_let_through_unknown(kind: type[ast.expr]) -> None:
    known = {"Name", "BoolOp", "UnaryOp", "Compare", "Constant", "Tuple", "List", "Set"}
    samples = {
        "Call": "f()", "Attribute": "a.b", "Subscript": "a[0]", "Lambda": "lambda: 0", "IfExp": "a if b else c",
        "BinOp": "a + b", "JoinedStr": "f'{a}'", "ListComp": "[a for a in b]", "SetComp": "{a for a in b}",
        "DictComp": "{a: a for a in b}", "GeneratorExp": "(a for a in b)", "Dict": "{a: b}", "NamedExpr": "(a := b)",
    }  # fmt: skip
    if kind.__name__ in samples:
        with pytest.raises(ConfigError):
            read_where(samples[kind.__name__])
    else:
        assert kind.__name__ in known | {
            "expr", "Await", "Yield", "YieldFrom", "FormattedValue", "Starred", "Slice",
            "Num", "Str", "Bytes", "NameConstant", "Ellipsis", "TemplateStr", "Interpolation",
        }  # fmt: skip
