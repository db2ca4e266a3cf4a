"""What each part of a row's way comes to, and how long all of them take."""

import pytest

from dataflow.quota.parts import Part, duration_of, edit_price, row_price, split

WRITE = Part("write", row=1.0, edit=0.0, each=10.0, places=100, seconds=5.0)
DRAW = Part("draw", row=1.5, edit=0.0, each=60.0, places=10, seconds=12.0)
EDIT = Part("edit", row=0.0, edit=1.0, each=80.0, places=10, seconds=12.0)
JUDGE = Part("judge", row=0.0, edit=2.0, each=10.0, places=50, seconds=5.0)
PARTS = (WRITE, DRAW, EDIT, JUDGE)


def test_the_prices_of_parts_add_up() -> None:
    assert row_price(PARTS) == 100.0
    assert edit_price(PARTS) == 100.0
    assert row_price([Part("draw", 1.0, 0.0, None, 1, 1.0), EDIT]) is None
    assert edit_price([Part("draw", 1.0, 0.0, None, 1, 1.0), EDIT]) == 80.0


def test_what_was_paid_is_shared_out_as_prices_say() -> None:
    assert split(PARTS, 1_000.0, 500.0) == {"write": 100.0, "draw": 900.0, "edit": 400.0, "judge": 100.0}
    free = Part("write", row=1.0, edit=0.0, each=0.0, places=1, seconds=1.0)
    assert split([free, EDIT], 0.0, 500.0) == {"edit": 500.0}


def test_the_busiest_server_sets_the_pace() -> None:
    edits = 2_000 * 12.0 / 10
    assert duration_of(PARTS, 1_000, 2_000, open_at_most=10_000) == pytest.approx(edits, rel=0.03)
    assert duration_of(PARTS, 1_000, 1_000, open_at_most=10_000) == pytest.approx(1_500 * 12.0 / 10, rel=0.03)


def test_few_open_rows_set_the_pace_of_fast_servers() -> None:
    one = 5.0 + 18.0 + 24.0 + 20.0
    assert duration_of(PARTS, 1_000, 2_000, open_at_most=10) == pytest.approx(100 * one, rel=0.02)
    assert duration_of(PARTS, 0, 0, open_at_most=10) == 0.0
    assert duration_of((), 10, 10, open_at_most=10) == 0.0
