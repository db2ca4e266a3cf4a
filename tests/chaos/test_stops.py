"""Ctrl-C, SIGTERM and SIGHUP at 60 random moments of a run over an API and of a local model."""

import pytest

from tests.chaos.stops import run_all, tell


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["api", "local"])
def test_60_stops_end_in_time_with_their_code_and_lose_nothing(kind: str) -> None:
    stops = run_all(kind, 60)
    print(tell(stops))
    assert [fault for stop in stops for fault in stop.faults] == []
