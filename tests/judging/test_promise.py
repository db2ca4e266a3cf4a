"""`thresholds.json` holds for the judge and the rubric that it was calibrated for, and says so to any other."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.core.records import digest_fingerprint
from dataflow.errors import ConfigError, InputError
from dataflow.judging.judge import make_judge
from dataflow.judging.promise import Promise, read_promise, write_promise
from dataflow.judging.rubric import shipped_rubric
from dataflow.judging.verdict import passes
from dataflow.operators.core_vision import ImageEditJudge
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage
from dataflow.view.status import StatusReader
from dataflow.view.status_text import describe
from tests.kit.billing import Bill
from tests.kit.flow import draw, read_rows, write_rows
from tests.kit.loopback import LoopbackServer
from tests.kit.workers import Echo

DIGEST = digest_fingerprint(Echo().fingerprint()).hex()[:16]
RUBRIC = shipped_rubric().digest
PROMISE = Promise(DIGEST, RUBRIC, 8.5, 0.9, 0.9, 41, 1)


KNOWN = '{"version": 1, "judge": "a", "rubric": "b", "confidence": 0.9, %s}'


def test_a_promise_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_promise(tmp_path / "new/thresholds.json", PROMISE)
    assert read_promise(tmp_path / "new/thresholds.json") == PROMISE
    assert json.loads((tmp_path / "new/thresholds.json").read_bytes()) == {
        "version": 1,
        "judge": DIGEST,
        "rubric": RUBRIC,
        "at": 8.5,
        "precision": 0.9,
        "confidence": 0.9,
        "accepted": 41,
        "bad": 1,
        "passes": 0,
    }


def test_a_judge_takes_a_promise_and_its_file_for_every_axis(tmp_path: Path) -> None:
    write_promise(tmp_path / "thresholds.json", PROMISE)
    for given in (PROMISE, tmp_path / "thresholds.json", str(tmp_path / "thresholds.json"), tmp_path):
        judge = make_judge(Echo(), None, given, canaries=False)
        assert (set(judge.thresholds.values()), judge.promise) == ({8.4995}, PROMISE)


def test_what_reaches_a_promised_threshold_in_its_row_is_accepted() -> None:
    """Two numbers of 7 and one of 6 are 6.667 in the row by which they were calibrated, and less in truth."""
    promise = replace(PROMISE, at=6.667, passes=3)
    judge = make_judge(Echo(), None, promise, passes=3, canaries=False)
    assert passes({"following": 20 / 3}, judge.thresholds)
    assert not passes({"following": 6.666}, judge.thresholds)


@pytest.mark.parametrize(("known", "asked", "fits"), [(3, 3, True), (3, 1, False), (1, 3, False), (0, 3, True)])
def test_a_promise_of_other_passes_is_refused(known: int, asked: int, *, fits: bool) -> None:
    promise = replace(PROMISE, passes=known)
    if fits:
        assert make_judge(Echo(), None, promise, passes=asked, canaries=False).promise == promise
    else:
        with pytest.raises(ConfigError, match=rf"means of {known} pass.*asked with passes={asked}"):
            make_judge(Echo(), None, promise, passes=asked, canaries=False)


@pytest.mark.parametrize("other", [replace(PROMISE, judge="another"), replace(PROMISE, rubric="b" * 16)])
def test_another_judges_promise_is_refused_and_both_are_named(other: Promise, tmp_path: Path) -> None:
    write_promise(tmp_path / "thresholds.json", other)
    with pytest.raises(ConfigError) as caught:
        make_judge(Echo(), None, tmp_path / "thresholds.json", canaries=False)
    for digest in (str(tmp_path / "thresholds.json"), other.judge, other.rubric, DIGEST, RUBRIC):
        assert digest in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot read thresholds from"),
        ("7.5?", "is no JSON"),
        ("[7]", r"holds no thresholds of version 1 \(version \[7\]\): make one with `dataflowmm calibrate`"),
        ('{"version": 2}', r"holds no thresholds of version 1 \(version 2\): upgrade dataflow-mm, or make"),
        ('{"version": 1}', "`judge` is None; expected a digest"),
        (KNOWN % '"at": true', "`at` is True; expected a number from 0 to 10"),
        (KNOWN % '"at": 12', "`at` is 12; expected a number from 0 to 10: make one with"),
        (KNOWN % '"at": 7, "precision": 90', "`precision` is 90; expected a share between 0 and 1"),
        (KNOWN % '"at": 7, "precision": 0.9, "accepted": -1', "`accepted` is -1; expected a count"),
    ],
)
def test_what_is_no_promise_is_refused(text: str | None, said: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "thresholds.json").write_text(text)
    with pytest.raises(InputError, match=said):
        read_promise(tmp_path / "thresholds.json")


def test_a_new_threshold_asks_and_pays_nothing(tmp_path: Path) -> None:
    said = json.dumps(dict.fromkeys(("following", "preservation", "naturalness", "artefacts"), 8))
    edits = [str(draw(tmp_path / f"{size}.png", size=(size, 8))) for size in (8, 9)]
    rows = [{"images": edits[:1], "conversations": "make it wide", "edited_images": [edit]} for edit in edits]
    first = write_rows(tmp_path / "rows.jsonl", rows)
    price = {"input": 5, "output": 40, "most_input": 20_000, "most_picture": 2_000, "most_output": 4_000}
    with LoopbackServer(text=said, bill=Bill("5", "40")) as server:
        looker = APIVLMServing_openai(server.url, model_name="looker")
        judged_before = ImageEditJudge(looker, canaries=False)
        at_seven = FileStorage(first, tmp_path / "cache", prices={"looker": price}).step()
        assert judged_before.run(at_seven).requests == 4
        assert server.bill is not None
        billed = server.bill.total()
        verdict = read_rows(at_seven.target)[0]["verdict"]
        write_promise(tmp_path / "t.json", Promise(verdict["judge"], verdict["rubric"], 8.5, 0.9, 0.9, 22, 0))
        again = FileStorage(first, tmp_path / "cache", prices={"looker": price}).step()
        summary = ImageEditJudge(looker, canaries=False, thresholds=tmp_path / "t.json").run(again)
        assert (summary.requests, server.bill.total(), billed > 0) == (0, billed, True)
        others = FileStorage(str(again.target), tmp_path / "kept", prices={"looker": price}).step()
        kept = ImageEditJudge(looker, canaries=False, thresholds=tmp_path / "t.json").run(others)
        assert (kept.kept, kept.judged) == (2, {}), "what is kept was judged by whatever it was"
    assert [row["accepted"] for row in read_rows(again.target)] == [False, False]
    assert summary.judged == {"passes": 1, "promise": read_promise(tmp_path / "t.json").as_row()}
    assert f"precision {read_promise(tmp_path / 't.json')}" in " ".join(
        " ".join(describe(StatusReader(tmp_path / "cache").look(), 80)).split()
    )
