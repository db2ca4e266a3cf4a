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
from dataflow.operators.core_vision import ImageEditJudge
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage
from tests.kit.billing import Bill
from tests.kit.flow import draw, read_rows, write_rows
from tests.kit.loopback import LoopbackServer
from tests.kit.workers import Echo

DIGEST = digest_fingerprint(Echo().fingerprint()).hex()[:16]
RUBRIC = shipped_rubric().digest
PROMISE = Promise(DIGEST, RUBRIC, 8.5, 0.9, 0.9, 41, 1)


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
    }


def test_a_judge_takes_a_promise_and_its_file_for_every_axis(tmp_path: Path) -> None:
    write_promise(tmp_path / "thresholds.json", PROMISE)
    for given in (PROMISE, tmp_path / "thresholds.json", str(tmp_path / "thresholds.json")):
        assert set(make_judge(Echo(), None, given, canaries=False).thresholds.values()) == {8.5}


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
        ('{"version": 2}', r"holds no thresholds of version 1 \(version 2\)"),
        ('{"version": 1}', "`judge` is None; expected a digest"),
        ('{"version": 1, "judge": "a", "rubric": "b", "at": true}', "`at` is True; expected a number from 0 to 10"),
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
    assert [row["accepted"] for row in read_rows(again.target)] == [False, False]
