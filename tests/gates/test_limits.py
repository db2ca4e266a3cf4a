"""Which gate an edit does not pass, by what it has to keep."""

from dataclasses import replace

import pytest

from dataflow.errors import ConfigError
from dataflow.gates.limits import LIMITS, GateLimits, Gates, failed
from dataflow.gates.measured import Measures
from dataflow.taxonomy.taxonomy import KEEPS, shipped_taxonomy

GOOD = Measures(
    coarse=80.0,
    median=20.0,
    changed=0.1,
    hot=0.05,
    aspect=0.0,
    shift=(0.0, 0.0),
    zoom=(0.0, 0.0),
    turn=0.0,
    corner=0.2,
    agree=1.0,
    tiles=16,
    cast=(0.1, 0.0, -0.2),
    border=0.0,
)


@pytest.mark.parametrize("keeps", KEEPS)
def test_a_good_edit_passes_whatever_it_keeps(keeps: str) -> None:
    assert failed(GOOD, keeps) == ""


@pytest.mark.parametrize(
    ("gate", "bad", "closed_for"),
    [
        ("no_op", replace(GOOD, coarse=5.0, median=0.5), {"rest", "layout", "scene", "shape", "nothing"}),
        ("no_op", replace(GOOD, median=0.5), {"layout"}),
        ("no_op", replace(GOOD, coarse=5.0), {"rest", "scene", "nothing"}),
        ("size", replace(GOOD, aspect=0.08), {"all", "rest", "layout", "scene", "shape"}),
        ("frame", replace(GOOD, border=0.02), {"all", "rest", "layout"}),
        ("moved", replace(GOOD, corner=2.0), {"all", "rest", "layout"}),
        ("moved", replace(GOOD, corner=9.0), {"all", "rest", "layout", "scene"}),
        ("cast", replace(GOOD, cast=(0.0, -5.0, 0.0)), {"rest"}),
        ("too_much", replace(GOOD, changed=0.9), {"rest"}),
        ("outside_mask", replace(GOOD, outside=0.1), {"all", "rest", "layout", "scene", "shape"}),
    ],
)
def test_a_gate_closes_for_those_edits_that_must_keep_it(gate: str, bad: Measures, closed_for: set[str]) -> None:
    assert {keeps: failed(bad, keeps) for keeps in KEEPS} == {
        keeps: gate if keeps in closed_for else "" for keeps in KEEPS
    }


@pytest.mark.parametrize("unsure", [replace(GOOD, agree=0.5), replace(GOOD, tiles=5)])
def test_what_nobody_can_tell_fails_nothing(unsure: Measures) -> None:
    assert failed(replace(unsure, corner=60.0), "rest") == ""


def test_of_several_gates_the_first_is_told() -> None:
    assert failed(replace(GOOD, aspect=0.3, border=0.3, corner=30.0, cast=(9.0, 9.0, 9.0)), "rest") == "size"


def test_limits_of_ones_own_decide_for_what_they_name() -> None:
    lenient = {"rest": GateLimits(cast=None, corner=5.0)}
    off = replace(GOOD, cast=(9.0, 0.0, 0.0), corner=3.0)
    assert (failed(off, "rest", lenient), failed(off, "layout", lenient)) == ("", "moved")


def test_a_word_that_nothing_keeps_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="keeps has 'everything': give one of all, rest, layout, scene, shape, nothing"
    ):
        Gates(keeps="everything")


def test_there_are_limits_for_all_that_an_operation_keeps() -> None:
    assert set(LIMITS) == set(KEEPS)
    assert {each.keeps for each in shipped_taxonomy().operations.values()} == set(KEEPS)
