"""What the command says of a judge, what it writes, and which of two judges it names."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dataflow.calibration.calibrate import calibrate
from dataflow.calibration.compare import compare_judges, cost_of_verdict
from dataflow.calibration.joining import join
from dataflow.calibration.labels import Label, append_label, read_labels
from dataflow.calibration.sampling import draw_sample
from dataflow.cli.main import main
from dataflow.errors import ConfigError
from dataflow.judging.promise import Promise, read_promise, write_promise
from dataflow.utils.files import sha256_of_file
from tests.calibration.judged import JUDGE, RUBRIC, tries_of, verdict
from tests.kit.flow import read_rows, write_rows

LOW = [9.0] * 120 + [8.0] * 80 + [3.0] * 100


def good(number: int) -> str:
    """Of those at 9 all, of those at 8 one in two, of the others one in five."""
    if number < 120:
        return "yes"
    return "yes" if number % (2 if number < 200 else 5) == 0 else "no"


def flat(said: str) -> str:
    return " ".join(said.split())


Says = Callable[[int], str]


def label(path: Path, says: Says = good, *, count: int = 100, uniform: bool = False) -> Path:
    labels = path.parent / "labels.jsonl"
    for each in draw_sample(path, count=count, uniform=uniform).showings:
        said = says(int(Path(each.file).stem))
        append_label(labels, Label(each.picture, said, path=each.edit.path, shown=each.shown, sample=each.sample))
    return labels


def run(cache: Path, labels: Path, *flags: str) -> int:
    return main(["calibrate", str(cache), str(labels), "--out", str(cache / "t.json"), *flags])


def test_the_promised_threshold_is_written_and_the_report_fits_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = label(tries_of(tmp_path, LOW))
    assert run(tmp_path, labels) == 0
    said = capsys.readouterr().out
    promise = read_promise(tmp_path / "t.json")
    assert promise == Promise(JUDGE, RUBRIC, 9.0, 0.9, 0.9, 47, 0)
    assert "Threshold 9: at least 90% of what is accepted is good." in said
    assert "40% of the edits reach it" in said
    assert "Below 7 these labels promise nothing" in said
    assert "you agree with yourself            100% (72% to 100%)" in said
    assert f"{tmp_path}/t.json is written" in said
    assert main(["calibrate", str(tmp_path), str(labels), "--precision", "0.915"]) == 0
    assert f"--thresholds {tmp_path}/thresholds.json" in (said := capsys.readouterr().out)
    assert "at least 91.5% of what is accepted is good" in said
    assert read_promise(tmp_path).precision == 0.915
    assert [line for line in said.splitlines() if len(line) > 80 and str(tmp_path) not in line] == []


def test_where_nothing_can_be_promised_it_says_what_is_missing_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = label(tries_of(tmp_path, LOW), count=20)
    assert run(tmp_path, labels) == 3
    said = capsys.readouterr().out
    assert "No threshold can be promised at which 90% of what is accepted is good." in said
    assert re.search(
        r"These labels carry (\d\d)%: .* labelled edits are bad. Promise that with --precision 0.\1", flat(said)
    )
    assert "Nothing is written." in said
    assert not (tmp_path / "t.json").exists()
    (tmp_path / "labels.jsonl").unlink()
    assert run(tmp_path, label(tries_of(tmp_path, LOW), lambda number: "yes", count=20)) == 3
    assert "Label 6 more edits at 8 or above: if all of them are good, it can be given" in (
        said := capsys.readouterr().out
    )
    assert "view --label 28" in flat(said)
    write_promise(tmp_path / "t.json", Promise(JUDGE, RUBRIC, 9.0, 0.9, 0.9, 47, 0))
    assert run(tmp_path, tmp_path / "labels.jsonl") == 3
    assert f"{tmp_path}/t.json stays as it was" in capsys.readouterr().out


def test_an_operation_with_too_few_labels_is_told_how_many_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {number: {"sub_type": "move" if number < 30 else "add"} for number in range(300)}
    labels = label(tries_of(tmp_path, LOW, more=few), lambda number: "yes")
    found = calibrate(read_labels(labels), tmp_path / "set_step2.tries.jsonl")
    (move,) = (group for group in found.groups if group.name == "move")
    assert move.more == 22 - move.accepted > 0
    run(tmp_path, labels)
    said = capsys.readouterr().out
    assert f"label {move.more} more accepted `move` edits, all good, for a promise of their own" in said
    assert "more accepted `add` edits" not in said


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


def test_columns_of_other_names_are_named_by_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tries_of(tmp_path, LOW)
    labels = label(path)
    for each in (path, tmp_path / "set_step2.jsonl"):
        write_rows(each, [{"edits": row["edited_images"], "opinion": row["verdict"]} for row in read_rows(each)])
    assert run(tmp_path, labels) == 1
    assert "no step with verdicts in `verdict`" in capsys.readouterr().err
    columns = "--output_key=edits", "--verdict_key=opinion"
    assert run(tmp_path, labels, *columns) == 0
    assert read_promise(tmp_path / "t.json").at == 9.0
    assert run(tmp_path, labels, *columns, "--judges", str(path), str(path)) == 0


@pytest.mark.parametrize("flag", ["--precision", "--confidence"])
def test_what_is_no_share_is_refused(flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = label(tries_of(tmp_path, LOW), count=5)
    assert run(tmp_path, labels, flag, "90") == 1
    assert f"{flag.removeprefix('--')} is 90.0: give a share between 0 and 1" in capsys.readouterr().err
    assert run(tmp_path, tmp_path / "none.jsonl") == 1
    assert "label edits first, dataflowmm view" in capsys.readouterr().err
    append_label(tmp_path / "hand.jsonl", Label("e" * 64, "accept", "verdict"))
    assert run(tmp_path, tmp_path / "hand.jsonl") == 1
    assert "(it has hand verdicts alone): label edits first" in capsys.readouterr().err


def second_judge(cache: Path, lowest: Sequence[float], cost: float) -> Path:
    rows = [
        {**row, "verdict": verdict(low, 10, judge="second")}
        for row, low in zip(read_rows(cache / "set_step2.tries.jsonl"), lowest, strict=True)
    ]
    sides = {"edits accepted": 200, "edits rejected": 100}
    meta = {"summary": {"sides": sides, "currency": "USD", "cost": cost, "cost_before": 0}}
    write_rows(cache / "judged_second_step1.meta.json", [meta])
    return Path(write_rows(cache / "judged_second_step1.jsonl", rows))


def test_the_better_of_two_judges_is_named_with_its_price(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = tries_of(tmp_path, LOW)
    write_rows(tmp_path / "set_step2.meta.json", [{"summary": {"sides": {"tries": 300}, "currency": "USD", "cost": 9}}])
    exact = [9.0 if good(number) == "yes" else 4.0 for number in range(300)]
    second = second_judge(tmp_path, exact, 3.0)
    assert cost_of_verdict(join([], second)) == (0.01, "USD")
    assert cost_of_verdict(join([], first)) == (None, "")
    labels = label(first, uniform=True, count=150)
    assert run(tmp_path, labels, "--judges", "set_step2.tries.jsonl", "judged_second") == 0
    said = capsys.readouterr().out
    assert "B decides as you in " in said
    assert "decides as you, at 7       8" in said
    assert "100% (100% to 100%)" in said
    assert "not known                  0.01 USD" in said
    assert [line for line in said.splitlines() if len(line) > 80 and str(tmp_path) not in line] == []
    assert not (tmp_path / "t.json").exists()


def test_a_judge_whose_labels_another_drew_promises_nothing_and_equal_ones_are_not_told_apart(tmp_path: Path) -> None:
    first = tries_of(tmp_path, LOW)
    second = second_judge(tmp_path, LOW, 3.0)
    compared = compare_judges(read_labels(label(first)), (first, second))
    assert [each.search.found is not None for each in compared.judges] == [True, False]
    assert compared.agrees == (0, 0, 0)
    assert compared.labels == 100


def test_judges_without_a_label_in_common_are_refused(tmp_path: Path) -> None:
    first = tries_of(tmp_path, LOW)
    write_rows(tmp_path / "other.jsonl", [{"edited_images": [str(tmp_path / "x.png")], "verdict": verdict(9)}])
    with pytest.raises(ConfigError, match="no labelled picture was judged in"):
        compare_judges(read_labels(label(first)), (first, tmp_path / "other.jsonl"))


def test_a_label_is_of_the_edit_that_was_shown_where_another_has_the_same_content(tmp_path: Path) -> None:
    path = tries_of(tmp_path, [4.0, 9.0])
    for number in range(2):
        (tmp_path / f"images/{number}.png").write_bytes(b"the same")
    content = sha256_of_file(str(tmp_path / "images/0.png"))
    (found,) = join([Label(content, "yes", path="/elsewhere/images/1.png")], path).labelled
    assert found.edit.lowest == 9


def test_an_enlarged_sample_gives_labels_made_before_its_own_weight(tmp_path: Path) -> None:
    path = tries_of(tmp_path, LOW)
    labels = read_labels(label(path, count=50))
    more = draw_sample(path, count=100).showings
    known = {each.picture for each in labels}
    labels += [Label(each.picture, "yes", sample=each.sample) for each in more if each.picture not in known]
    weights = {each.label.sample and each.label.sample.stratum: each.weight for each in join(labels, path).labelled}
    assert weights == {"upper": pytest.approx(200 / 80), "lower": pytest.approx(100 / 20)}


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


@pytest.mark.parametrize("said", ["yes", "no", "unsure"])
def test_labels_that_all_say_the_same_make_a_report(
    said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = label(tries_of(tmp_path, LOW), lambda number: said, count=30)
    assert run(tmp_path, labels, "--precision", "0.8") == (0 if said == "yes" else 3)
    assert "cannot be told" in (report := capsys.readouterr().out)
    assert ("carry no promise of half" in report) is (said != "yes")
