"""What a worker asks may show only when it is prepared: ids say what was asked, and answers under each count."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.core.records import JSON, Answer, Job, Request, Row
from dataflow.flow.ids import Ids
from dataflow.flow.recipe import Steps
from dataflow.flow.runner import run_step
from dataflow.operators.base import Columns
from dataflow.pools.executor import LocalExecutor
from tests.kit.flow import Ask, column, journal_entries, prompts_storage, recipe
from tests.kit.workers import Echo

PLAIN: Mapping[str, JSON] = {"model": "model"}
SHARP: Mapping[str, JSON] = {"model": "model", "sharp": True}


class Discovering(Echo):
    """Finds out when it is prepared that it asks for sharp pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: dict[str, Answer] = {}

    def fingerprint(self) -> Mapping[str, JSON]:
        return SHARP if self.prepared else PLAIN

    def other_fingerprints(self) -> Sequence[Mapping[str, JSON]]:
        return [PLAIN if self.prepared else SHARP]

    def recover(self, job: Job) -> Answer | None:
        return self.saved.get(job.id)


def ids_under(fingerprint: Mapping[str, JSON], prompts: Sequence[str]) -> list[str]:
    """The ids of what `Ask` asks with these prompts, the k-th of the same prompt as its k-th twin."""

    class Fixed(Echo):
        def fingerprint(self) -> Mapping[str, JSON]:
            return fingerprint

    ids = Ids({"model": Fixed()})
    requests = [Ask(Fixed()).plan({"prompt": prompt}, Columns(("prompt",)))[0] for prompt in prompts]
    twins = [list(prompts[:k]).count(prompt) for k, prompt in enumerate(prompts)]
    return [ids.job(each, (), ids.plan(each, ()), twin).id for each, twin in zip(requests, twins, strict=True)]


def meta(folder: Path) -> Row:
    found: Row = json.loads((folder / "cache" / "dataflow_cache_step_step1.meta.json").read_bytes())
    return found["workers"]["model"]


def answered(folder: Path) -> list[str]:
    return [entry["id"] for entry in journal_entries(folder / "cache") if entry["t"] == "got"]


def test_what_is_asked_has_the_id_of_what_is_asked_and_twins_stay_apart(tmp_path: Path) -> None:
    prompts = ["same", *(f"p{k}" for k in range(300)), "same"]  # the second twin is planned in another chunk
    storage = prompts_storage(tmp_path, prompts)
    Ask(Discovering()).run(storage.step())
    assert sorted(answered(tmp_path)) == sorted(ids_under(SHARP, prompts))
    assert len(set(column(storage, "answer"))) == len(prompts)
    assert meta(tmp_path) == {"fingerprint": SHARP}


def test_a_finished_step_is_not_asked_again_by_a_worker_that_was_never_prepared(tmp_path: Path) -> None:
    Ask(Discovering()).run(prompts_storage(tmp_path, ["a", "b", "a"]).step())
    files = {path: path.read_bytes() for path in (tmp_path / "cache").glob("*.jsonl")}
    again = Discovering()
    summary = Ask(again).run(prompts_storage(tmp_path, ["a", "b", "a"]).step())
    assert (summary.requests, summary.reused, again.prepared) == (0, 3, 0)
    assert {path: path.read_bytes() for path in files} == files
    assert meta(tmp_path) == {"fingerprint": SHARP}


def test_answers_of_before_count_and_new_rows_are_asked_as_now(tmp_path: Path) -> None:
    Ask(Echo()).run(prompts_storage(tmp_path, ["a", "b"]).step())
    worker = Discovering()
    summary = Ask(worker).run(prompts_storage(tmp_path, ["a", "b", "c"]).step())
    assert (summary.requests, worker.asked) == (1, ["c"])
    assert answered(tmp_path) == [*ids_under(PLAIN, ["a", "b"]), *ids_under(SHARP, ["c"])]
    assert meta(tmp_path) == {"fingerprint": SHARP, "other_fingerprints": [PLAIN]}


class Unlisted(Discovering):
    """Names no fingerprint under which answers count but its own, which changes when it is prepared."""

    def other_fingerprints(self) -> Sequence[Mapping[str, JSON]]:
        return ()


def test_a_fingerprint_that_nobody_listed_finds_its_answers_once_the_worker_is_prepared(tmp_path: Path) -> None:
    prompts = [*(f"p{k}" for k in range(300)), "p0"]
    assert Ask(Unlisted()).run(prompts_storage(tmp_path, prompts).step()).requests == 301
    assert sorted(answered(tmp_path)) == sorted(ids_under(SHARP, prompts))
    assert Ask(Echo()).run(prompts_storage(tmp_path, ["old"]).step()).requests == 1
    worker = Unlisted()
    summary = Ask(worker).run(prompts_storage(tmp_path, ["old", *prompts, "new"]).step())
    assert (summary.requests, summary.reused, worker.asked) == (1, 302, ["new"])
    assert meta(tmp_path) == {"fingerprint": SHARP, "other_fingerprints": [PLAIN]}


def test_pictures_without_their_lines_are_found_under_an_id_that_nobody_listed(tmp_path: Path) -> None:
    worker = Unlisted()
    (name,) = ids_under(SHARP, ["a"])
    worker.saved[name] = Answer(text="found")
    summary = Ask(worker).run(prompts_storage(tmp_path, ["a"]).step())
    assert (summary.adopted, summary.requests, answered(tmp_path)) == (1, 0, [name])


def test_what_asks_before_the_rows_and_the_rows_behind_it_find_their_answers_too(tmp_path: Path) -> None:
    def before() -> Steps:
        yield [Request("proof", makes="text", worker="model")]
        return list[Row]()

    def run(prompts: str) -> int:
        step = prompts_storage(tmp_path, prompts).step()
        return run_step(replace(recipe(Unlisted()), before=before), step).requests

    assert [run("AB"), run("AB"), run("ABC"), run("ABC")] == [3, 0, 1, 0]


def test_a_worker_that_names_no_other_fingerprint_takes_answers_under_its_own_alone(tmp_path: Path) -> None:
    Ask(Discovering()).run(prompts_storage(tmp_path, ["a"]).step())
    assert Ask(Echo()).run(prompts_storage(tmp_path, ["a"]).step()).requests == 1


@pytest.mark.parametrize("dry", [True, False])
def test_pictures_without_their_lines_are_found_under_every_id(tmp_path: Path, dry: bool) -> None:
    worker = Discovering()
    (name,) = ids_under(SHARP, ["a"])
    worker.saved[name] = Answer(text="found")
    summary = Ask(worker).run(prompts_storage(tmp_path, ["a"], dry_run=dry).step())
    assert (summary.adopted, worker.prepared) == (1, 0)
    assert dry or answered(tmp_path) == [name]


def test_a_second_step_of_a_prepared_worker_is_planned_as_it_asks() -> None:
    worker = Discovering()
    LocalExecutor().pool(worker)
    ids = Ids({"model": worker})
    assert not ids.renew()
    assert ids.fingerprints("model") == [SHARP]
