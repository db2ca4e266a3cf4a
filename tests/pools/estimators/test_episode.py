"""What an episode of refusals says of the pace, and when the refusals come by chance."""

import math

import pytest

from dataflow.pools.estimators.episode import EpisodeEstimator
from dataflow.pools.estimators.starts import StartLog


class Traffic:
    """One call a second, of which some are refused."""

    def __init__(self) -> None:
        self.starts = StartLog()
        self.episode = EpisodeEstimator(self.starts)

    def pass_by(self, begin: int, end: int, *, every: int, pace: float = math.inf) -> list[float]:
        """Refuse each so many-th call; the paces that the episode decides for."""
        decided = []
        for second in range(begin, end):
            if second % every:
                self.starts.add(float(second), 60.0)
            else:
                self.episode.refused(float(second))
                judged = self.episode.judge(pace, float(second))
                decided += [] if judged is None else [judged]
        return decided


def test_the_pace_is_what_was_accepted_during_the_episode() -> None:
    (pace,) = Traffic().pass_by(0, 13, every=5)  # refused at 0, 5 and 10, accepted eight times between
    assert pace == pytest.approx(0.97 * 8 / 10)


def test_a_known_pace_is_never_raised() -> None:
    (pace,) = Traffic().pass_by(0, 26, every=5, pace=0.5)
    assert pace == 0.5


def test_two_refusals_are_too_few_and_of_a_known_pace_five() -> None:
    assert Traffic().pass_by(0, 10, every=5) == []
    assert Traffic().pass_by(0, 25, every=5, pace=0.9) == []
    assert Traffic().pass_by(0, 26, every=5, pace=0.9) != []


def test_refusals_of_one_moment_are_too_early_to_count() -> None:
    traffic = Traffic()
    for _ in range(20):
        traffic.episode.refused(1.0)
        assert traffic.episode.judge(math.inf, 1.0) is None


@pytest.mark.parametrize(("accepted", "seconds", "decides"), [(3, 3.0, True), (2, 3.0, False), (9, 2.9, False)])
def test_an_episode_needs_three_seconds_and_three_accepted_calls(accepted: int, seconds: float, decides: bool) -> None:
    traffic = Traffic()
    for _ in range(2):
        traffic.episode.refused(0.0)
    for _ in range(accepted):
        traffic.starts.add(1.0, 60.0)
    traffic.episode.refused(seconds)
    assert (traffic.episode.judge(math.inf, seconds) is not None) is decides


def test_rare_refusals_are_not_worth_a_slower_pace() -> None:
    assert Traffic().pass_by(0, 600, every=25) == []


def test_refusals_are_counted_over_forty_seconds() -> None:
    traffic = Traffic()
    for now in (0.0, 1.0, 50.0, 51.0):
        traffic.episode.refused(now)
        assert traffic.episode.judge(math.inf, now) is None


def test_refusals_that_a_cut_made_no_rarer_come_by_chance() -> None:
    traffic = Traffic()
    first, second = traffic.pass_by(0, 56, every=6)
    assert first < math.inf
    assert second == math.inf
    assert traffic.pass_by(60, 600, every=6) == [], "for ten minutes that share lowers nothing"
    assert traffic.pass_by(600, 640, every=3), "a share that no chance refuses does"


def test_the_same_share_a_minute_after_a_cut_is_no_chance() -> None:
    traffic = Traffic()
    (first,) = traffic.pass_by(0, 14, every=6)
    (second, *_) = traffic.pass_by(102, 120, every=6)
    assert first < math.inf
    assert second < math.inf
