"""Accepted sets by a quota: what comes out, what is told, and that nothing is asked twice."""

import re
from collections import Counter
from pathlib import Path

import orjson
import pytest

from dataflow.quota.quota import Quota
from dataflow.utils.storage import FileStorage
from dataflow.view.status import StatusReader
from tests.kit.triplets import (
    MIX,
    PRICES,
    STEP,
    World,
    files,
    likely_world,
    rows,
    run_synthesizer,
    synthesizer,
)


def world(**settings: float) -> World:
    return likely_world(1, **settings)


def test_a_quota_is_met_in_its_mix(tmp_path: Path) -> None:
    summary = run_synthesizer(tmp_path, Quota(40, mix=MIX))
    assert Counter(row["sub_type"] for row in rows(tmp_path)) == {"move": 20, "zoom": 10, "art_style": 10}
    assert all(row["verdict"]["accepted"] for row in rows(tmp_path))
    assert summary.rows == summary.accepted == 40
    assert "40 of 40 wanted accepted" in str(summary)


def test_what_was_written_and_drawn_is_there_to_look_at(tmp_path: Path) -> None:
    assert run_synthesizer(tmp_path, Quota(10, mix=MIX)).judged == {"passes": 1, "promise": None}
    written, drawn = rows(tmp_path, "written."), rows(tmp_path, "drawn.")
    assert len(written) == len(drawn) > 10
    assert "images" not in written[0]
    assert drawn[0] == {**written[0], "images": drawn[0]["images"]}
    assert not any("fault" in row for row in (*written, *drawn, *rows(tmp_path), *rows(tmp_path, "tries.")))


def test_a_resumed_run_asks_nothing_and_writes_the_same(tmp_path: Path) -> None:
    run_synthesizer(tmp_path, Quota(25, mix=MIX))
    before = files(tmp_path)
    assert run_synthesizer(tmp_path, Quota(25, mix=MIX)).requests == 0
    assert files(tmp_path) == before


def test_a_larger_quota_goes_on_from_there(tmp_path: Path) -> None:
    run_synthesizer(tmp_path, Quota(20, mix=MIX))
    asked = run_synthesizer(tmp_path, Quota(40, mix=MIX)).requests
    whole = run_synthesizer(tmp_path / "whole", Quota(40, mix=MIX))
    assert 0 < asked < whole.requests
    assert len(rows(tmp_path)) == 40


def test_a_larger_quota_takes_what_was_surplus_before(tmp_path: Path) -> None:
    easy = World({"art_style": 1.0}, {"art_style": 1.0})
    run_synthesizer(tmp_path, Quota(30, mix={"art_style": 1.0}), of=easy)
    over = {row["input_text"][0]["content"] for row in rows(tmp_path, "surplus.")}
    run_synthesizer(tmp_path, Quota(60, mix={"art_style": 1.0}), of=easy)
    assert over < {row["input_text"][0]["content"] for row in rows(tmp_path)}


def test_money_ends_the_set_and_more_of_it_asks_nothing_twice(tmp_path: Path) -> None:
    paid = world(cost=0.07)
    small = run_synthesizer(tmp_path, Quota(60, mix=MIX, max_cost=6.0), of=paid)
    assert 0 < small.rows < 60
    assert small.failed == 0, "rows that cannot be paid are not begun"
    assert small.spent <= 6.0
    assert "stopped at max_cost" in str(small)
    large = run_synthesizer(tmp_path, Quota(60, mix=MIX, max_cost=60.0), of=paid)
    assert large.rows == 60
    whole = run_synthesizer(tmp_path / "whole", Quota(60, mix=MIX, max_cost=60.0), of=paid)
    assert small.requests + large.requests == whole.requests
    assert large.spent == pytest.approx(whole.spent)
    assert files(tmp_path) == files(tmp_path / "whole")


def test_the_money_is_spent_though_the_price_table_is_wrong(tmp_path: Path) -> None:
    dear = {name: {"image": 0.25} for name in PRICES}
    made = synthesizer(tmp_path, world(cost=0.07), Quota(60, mix=MIX, max_cost=6.0))
    summary = made.run(FileStorage(cache_path=tmp_path / "cache", prices=dear).step())
    assert 5.0 <= summary.spent <= 6.0
    assert "stopped at max_cost" in str(summary)


@pytest.mark.parametrize("own", [2.0, None])
def test_the_lowest_limit_holds_and_the_set_ends_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: float | None
) -> None:
    monkeypatch.setenv("DF_MAX_COST", "2")
    prices = {name: {"image": 0.15} for name in PRICES}
    storage = FileStorage(cache_path=tmp_path / "cache", prices=prices, max_cost=own)
    made = synthesizer(tmp_path, world(cost=0.07), Quota(60, mix=MIX, max_cost=None if own is None else 60.0))
    summary = made.run(storage.step())
    assert 1.0 <= summary.spent <= 2.0
    assert 0 < summary.rows < 60
    assert summary.failed == 0
    assert "stopped at max_cost" in str(summary)


def test_money_for_no_row_at_all_is_told(tmp_path: Path) -> None:
    for dry_run in (True, False):
        said = str(run_synthesizer(tmp_path, Quota(10, mix=MIX, max_cost=0.1), of=world(cost=0.07), dry_run=dry_run))
        assert "max_cost (0.1000 USD) is enough for about 0 of them" in said


def test_a_wish_that_the_money_cannot_buy_is_told_before_the_first_request(tmp_path: Path) -> None:
    said = str(run_synthesizer(tmp_path, Quota(1_000, max_cost=10.0), of=world(cost=0.07), dry_run=True))
    assert "1,000 accepted take" in said
    assert "max_cost (10.00 USD) is enough for about" in said
    assert re.search(r"of it [\d.]+ USD to draw,\s+[\d.]+ USD to edit", said)
    assert re.search(r"about [\d.]+ h\s+\(if a request takes 5 or 12 s, which is assumed\)", said)
    assert not (tmp_path / "cache" / f"{STEP}.jsonl").exists()


def test_the_report_tells_each_operation_and_where_edits_were_lost(tmp_path: Path) -> None:
    summary = run_synthesizer(tmp_path, Quota(20, mix=MIX), of=world(cost=0.07))
    meta = orjson.loads((tmp_path / "cache" / f"{STEP}.meta.json").read_bytes())
    quota = meta["report"]["quota"]
    assert {name: each["accepted"] for name, each in quota["operations"].items()} == {
        name: each["wanted"] + sum(row["sub_type"] == name for row in rows(tmp_path, "surplus."))
        for name, each in quota["operations"].items()
    }
    assert quota["edits"] == len(rows(tmp_path, "tries."))
    assert quota["cost"] == pytest.approx(summary.spent)
    assert quota["forecast"]["cost_by_part"].keys() == {"draw", "edit"}
    assert sum(quota["forecast"]["cost_by_part"].values()) == pytest.approx(summary.spent, abs=1e-3)
    assert sum(quota["faults_of_edits"].values()) == quota["edits"] - quota["accepted"]


def test_the_status_of_a_set_says_how_far_its_quota_is(tmp_path: Path) -> None:
    run_synthesizer(tmp_path, Quota(20, mix=MIX))
    (step,) = StatusReader(tmp_path / "cache").look().steps
    assert step.of_rows[0] == "20 of 20 wanted accepted"


def test_a_set_says_when_its_ahead_was_the_limit_and_what_to_try(tmp_path: Path) -> None:
    slow = world(seconds=0.02, width=64)
    held = run_synthesizer(tmp_path, Quota(30, mix=MIX, ahead=2), of=slow)
    assert held.held_rows == 2
    assert held.held_seconds > 0.1 * held.seconds
    said = " ".join(str(held).split())
    assert "no row could be begun beside the 2 open ones: try ahead=64" in said
    free = run_synthesizer(tmp_path / "free", Quota(30, mix=MIX), of=slow)
    assert "could be begun" not in " ".join(str(free).split())
    meta = orjson.loads((tmp_path / "cache" / f"{STEP}.meta.json").read_bytes())
    assert meta["summary"]["held_rows"] == 2
    (step,) = StatusReader(tmp_path / "cache").look().steps
    assert any("try ahead=64" in part for part in step.of_rows)


def test_an_operation_without_hope_is_named(tmp_path: Path) -> None:
    of = World({"move": 0.0, "zoom": 1.0}, {"move": 0.0, "zoom": 1.0})
    summary = run_synthesizer(tmp_path, Quota(120, mix={"move": 1.0, "zoom": 1.0}), of=of)
    assert Counter(row["sub_type"] for row in rows(tmp_path)) == {"zoom": 60}
    assert "given up: `move`, of which 0 of" in str(summary)


def test_without_a_quota_every_row_is_taken_once(tmp_path: Path) -> None:
    summary = run_synthesizer(tmp_path, None, n=12)
    assert summary.rows + summary.sides["rejected"] == 12
    assert summary.sides["written"] == 12
