"""The figures by which a pace is found: frozen, and in the order that the estimators rely on."""

from dataclasses import FrozenInstanceError

import pytest

from dataflow.pools.tuning import MINUTE, TUNING


def test_the_figures_cannot_be_changed_while_pools_run() -> None:
    with pytest.raises(FrozenInstanceError):
        TUNING.margin = 1.0  # type: ignore[misc]


def test_a_limit_that_holds_refuses_less_than_two_probes_a_minute() -> None:
    assert MINUTE / TUNING.probe_every < 2


def test_a_share_that_chance_refuses_is_worth_no_slower_pace_only_while_it_counts_as_chance() -> None:
    assert 0 < TUNING.worth < TUNING.chance < 1


def test_what_is_measured_is_finer_than_what_is_decided_by_it() -> None:
    assert TUNING.grain < TUNING.shortest_pause < TUNING.longest_pause < TUNING.blocked
    assert TUNING.shortest_episode < TUNING.episode < MINUTE
