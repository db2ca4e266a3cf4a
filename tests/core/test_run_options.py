"""The options of a run are checked where they are given."""

from typing import Any

import pytest

from dataflow.core.run_options import RunOptions
from dataflow.errors import ConfigError


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"limit": 0}, "limit is 0: give a number of rows from 1"),
        ({"limit": -3}, "limit is -3: give a number of rows from 1"),
        ({"limit": 2.5}, "limit=2.5"),
        ({"limit": True}, "limit=True"),
        ({"at_limit": "pause"}, "at_limit is 'pause': use one of stop, finish"),
        ({"max_cost": "5"}, "max_cost='5'"),
        ({"dry_run": "yes"}, "dry_run='yes'"),
        ({"prices": 3}, "prices=3"),
        ({"shard": "1/2"}, "shard='1/2'"),
    ],
)
def test_a_wrong_option_is_refused_with_what_to_give(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RunOptions(**wrong)


def test_by_default_a_run_takes_all_rows_and_has_no_limit() -> None:
    options = RunOptions()
    assert (options.limit, options.max_cost, options.at_limit, options.shard) == (None, None, "stop", None)
    assert RunOptions(limit=1, max_cost=0).limit == 1
