"""What the command says of a judge, what it writes, and which of two judges it names."""

from pathlib import Path

import pytest

from dataflow.calibration.calibrate import calibrate
from dataflow.calibration.compare import cost_of_verdict
from dataflow.calibration.labels import Label, read_labels
from dataflow.errors import ConfigError
from tests.calibration.judged import LOW, good, label, second_judge, tries_of
from tests.kit.flow import write_rows


def test_the_share_of_good_edits_is_corrected_for_the_judges_errors(tmp_path: Path) -> None:
    found = calibrate(read_labels(label(tries_of(tmp_path, LOW))), tmp_path / "set_step2.tries.jsonl")
    truth = sum(good(number) == "yes" for number in range(300)) / 300
    assert found.agreement.good is not None
    assert found.agreement.good.low < truth < found.agreement.good.high
    assert found.at == 9
    assert found.agreement.recall.low < 120 / (300 * truth) < found.agreement.recall.high
    assert found.agreement.axes["following"].value > 0.5
    assert found.agreement.axes["preservation"].value != found.agreement.axes["preservation"].value
    assert 0.2 < found.agreement.kappa.low < found.agreement.kappa.value < found.agreement.kappa.high < 0.9


def test_labels_of_other_pictures_are_counted_and_those_without_a_path_are_found(tmp_path: Path) -> None:
    path = tries_of(tmp_path, LOW)
    labels = read_labels(label(path))
    bare = [Label(each.picture, each.label, shown=each.shown, sample=each.sample) for each in labels]
    found = calibrate([*bare, Label("f" * 64, "yes"), Label("e" * 64, "accept", "verdict")], path)
    assert (len(found.joined.labelled), found.joined.unknown) == (100, 1)
    with pytest.raises(ConfigError, match="none of 1 label is of an edit in"):
        calibrate([Label("f" * 64, "yes")], path)


def test_the_share_of_good_edits_is_not_told_by_a_sample_of_another_judges(tmp_path: Path) -> None:
    labels = read_labels(label(tries_of(tmp_path, LOW)))
    other = calibrate(labels, second_judge(tmp_path, LOW[::-1], 3.0))
    assert (other.agreement.good, other.precise, other.promise) == (None, None, None)


def test_a_promise_knows_how_often_the_judge_was_asked_and_a_loops_judge_what_it_cost(tmp_path: Path) -> None:
    path = tries_of(tmp_path, LOW)
    figures = {"sides": {"tries": 300}, "currency": "USD", "cost": 8.5, "cost_before": 0.5}
    known = {"judged": {"passes": 3}, "costs": {"editor": 6, "judge": 2.5}, "costs_before": {"judge": 0.5}}
    write_rows(tmp_path / "set_step2.meta.json", [{"summary": {**figures, **known}}])
    found = calibrate(read_labels(label(path)), path)
    assert found.promise is not None
    assert found.promise.passes == 3
    assert cost_of_verdict(found.joined) == (0.01, "USD")
