"""What was accepted or rejected by hand on the page goes out or not, whatever a judge said of it."""

import hashlib
from pathlib import Path

import pytest

from dataflow.calibration.labels import Label, append_label
from dataflow.core.records import Row
from dataflow.errors import ConfigError
from dataflow.export import export
from tests.kit.exports import cache_of, row, session
from tests.kit.flow import read_rows

REJECTED = {"accepted": False, "score": 3.0, "axes": {"following": 3.0}}


def say(labels: Path, of: Row, label: str, **fields: object) -> None:
    (path,) = of["edited_images"]
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    append_label(labels, Label(digest, label, **{"kind": "verdict", "path": path, **fields}))


def exported(out: Path) -> set[str]:
    return {line["caption"] for line in read_rows(out / "musubi/train_inputs_1.jsonl")}


def words(of: Row) -> str:
    return str(of["conversations"][0]["content"])


def test_an_accepted_edit_that_was_rejected_by_hand_stays_out(tmp_path: Path) -> None:
    rows = [row(tmp_path, 1), row(tmp_path, 2)]
    say(tmp_path / "labels.jsonl", rows[0], "reject")
    cache = cache_of(tmp_path / "cache", rows)
    done = export(cache, "musubi", tmp_path / "out", labels=tmp_path / "labels.jsonl")
    assert exported(tmp_path / "out") == {words(rows[1])}
    assert done.left_out == {"rejected by hand": 1}
    export(cache, "musubi", tmp_path / "all", labels=tmp_path / "labels.jsonl", rejected=True)
    assert exported(tmp_path / "all") == {words(rows[1])}  # --rejected is about judges


def test_a_rejected_row_of_the_step_that_was_accepted_by_hand_goes_out(tmp_path: Path) -> None:
    rows = [row(tmp_path, number, verdict=REJECTED) for number in (1, 2)]
    say(tmp_path / "labels.jsonl", rows[1], "accept")
    export(cache_of(tmp_path / "cache", rows), "musubi", tmp_path / "out", labels=tmp_path / "labels.jsonl")
    assert exported(tmp_path / "out") == {words(rows[1])}


def test_a_try_that_was_accepted_by_hand_goes_out_once(tmp_path: Path) -> None:
    won, lost, other = row(tmp_path, 1), row(tmp_path, 2, verdict=REJECTED), row(tmp_path, 3, verdict=REJECTED)
    for each in (won, lost):
        say(tmp_path / "labels.jsonl", each, "accept")
    cache = cache_of(tmp_path / "cache", [won], tries=[won, lost, other])
    done = export(cache, "musubi", tmp_path / "out", labels=tmp_path / "labels.jsonl")
    assert exported(tmp_path / "out") == {words(won), words(lost)}
    assert (done.rows, done.left_out, done.not_judged) == (1, {}, 0)


def test_an_edit_that_nobody_judged_counts_as_judged_by_hand(tmp_path: Path) -> None:
    rows = [row(tmp_path, number, verdict=None) for number in (1, 2)]
    say(tmp_path / "labels.jsonl", rows[0], "accept")
    done = export(cache_of(tmp_path / "cache", rows), "musubi", tmp_path / "out", labels=tmp_path / "labels.jsonl")
    assert done.not_judged == 1


def test_the_last_verdict_counts_and_a_label_is_none(tmp_path: Path) -> None:
    rows, labels = [row(tmp_path, 1), row(tmp_path, 2)], tmp_path / "labels.jsonl"
    say(labels, rows[0], "reject")
    say(labels, rows[0], "withdrawn")
    say(labels, rows[1], "no", kind="label")
    export(cache_of(tmp_path / "cache", rows), "musubi", tmp_path / "out", labels=labels)
    assert exported(tmp_path / "out") == {words(each) for each in rows}


def test_a_labels_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there: `dataflowmm view` writes it"):
        export(cache_of(tmp_path / "cache", [row(tmp_path, 1)]), "musubi", tmp_path / "out", labels=tmp_path / "none")


def test_a_session_stays_out_with_any_of_its_turns(tmp_path: Path) -> None:
    """The last turn was accepted, and a middle one, from which the last one starts, rejected."""
    talk, labels = session(tmp_path), tmp_path / "labels.jsonl"
    for number, label in ((1, "reject"), (2, "accept")):
        say(labels, {"edited_images": talk["edited_images"][number : number + 1]}, label)
    done = export(cache_of(tmp_path / "cache", [talk, row(tmp_path, 1)]), "bagel", tmp_path / "out", labels=labels)
    assert (done.formats, done.left_out) == ({"bagel": 1}, {"rejected by hand": 1})


def test_a_session_goes_out_once_every_turn_is_accepted(tmp_path: Path) -> None:
    talk, labels = session(tmp_path), tmp_path / "labels.jsonl"
    talk["verdict"] = [{"accepted": False}, {"accepted": False}, {"accepted": True}]
    cache = cache_of(tmp_path / "cache", [talk, row(tmp_path, 1)])
    for number, out in ((0, 1), (1, 2)):
        say(labels, {"edited_images": talk["edited_images"][number : number + 1]}, "accept")
        assert export(cache, "bagel", tmp_path / f"out{number}", labels=labels).formats == {"bagel": out}


@pytest.mark.parametrize(("which", "label", "out"), [(0, "reject", 1), (1, "accept", 1), (0, "accept", 2)])
def test_a_pair_is_none_that_people_would_turn_round(tmp_path: Path, which: int, label: str, out: int) -> None:
    pairs = []
    for number in (1, 2):
        one, other = row(tmp_path, number), row(tmp_path, 10 + number)
        verdicts = [{**each, "axes": {"following": 9.0, "naturalness": 8.0}} for each in (one["verdict"], REJECTED)]
        pairs.append({**one, "edited_images": one["edited_images"] + other["edited_images"],
                      "verdict": {"axis": "following", "margin": 3.0, "verdicts": verdicts}})  # fmt: skip
    labels = tmp_path / "labels.jsonl"
    say(labels, {"edited_images": pairs[0]["edited_images"][which : which + 1]}, label)
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1)], pairs=pairs)
    done = export(cache, "editreward", tmp_path / "out", labels=labels)
    assert done.formats == {"editreward": out}
    assert done.left_out == ({"rejected by hand": 1} if out == 1 else {})
