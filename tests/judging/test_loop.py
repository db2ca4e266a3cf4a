"""The accept loop: what a further try asks, what ends the tries, and what a run with more tries or candidates asks."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from dataflow.core.records import Answer, Job, Picture, Request
from dataflow.demo.judge import CheckerJudge
from dataflow.errors import AnswerError, Failure, StepFailed
from dataflow.judging.judge import make_judge
from dataflow.judging.loop import AcceptLoop
from dataflow.judging.tries import Outcome, Retry, Task
from dataflow.judging.verdict import Verdict
from tests.kit.edit_loop import Down, EditBench, Mumbles, MumblesTwice, always, from_then_on, png, scene
from tests.kit.generators import answered
from tests.kit.workers import Echo


@pytest.fixture
def bench(tmp_path: Path) -> EditBench:
    return EditBench(tmp_path)


def test_more_tries_and_candidates_ask_only_what_is_new(bench: EditBench) -> None:
    says = from_then_on(4)
    asked = []
    for tries, candidates in ((1, 1), (2, 1), (2, 2), (3, 2)):
        bench.run(says, retry="resample", tries=tries, candidates=candidates)
        asked.append(sorted(request.repeat for request in bench.asked))
    assert asked == [[0, 0], [1, 1], [2, 2, 3, 3], [4, 4, 5, 5]]
    assert [row["verdict"]["tries"] for row in bench.out()] == [3, 3]


def test_a_picture_that_stands_is_the_first_try_and_is_judged(bench: EditBench) -> None:
    for example, row, said in zip(bench.examples, bench.rows, ("right", "wrong"), strict=True):
        (bench.folder / f"{said}.png").write_bytes(png(scene(example, said)))
        row["edited_images"] = [f"{said}.png"]
    bench.run(always("right"), retry="resample")
    assert [request.repeat for request in bench.asked] == [1]
    assert [row["verdict"]["tries"] for row in bench.out()] == [1, 2]
    assert bench.out()[0]["edited_images"] == [str(bench.folder / "right.png")]
    assert bench.out("pairs")[0]["edited_images"][1] == str(bench.folder / "wrong.png")


def test_a_judge_that_is_down_fails_the_row_and_the_next_run_asks_it_alone(bench: EditBench) -> None:
    with pytest.raises(StepFailed, match="nobody is there"):
        bench.run(always("wrong"), judge=Down())
    assert len(bench.asked) == 2, "one try of each row"
    assert [bench.out(side) for side in ("rejected", "tries")] == [[], []]
    assert bench.run(always("right"), tries=1).sides["rejected"] == 2, "the edits of the first run were wrong"
    assert bench.asked == []


def test_an_unjudged_edit_buys_no_try_and_stays_in_tries(bench: EditBench) -> None:
    (bench.folder / "mine.png").write_bytes(png(scene(bench.examples[1], "right")))
    bench.rows[1]["edited_images"] = ["mine.png"]
    with pytest.raises(StepFailed, match="unjudged"):
        bench.run(always("wrong"), judge=Mumbles(), tries=3)
    assert len(bench.asked) == 1
    lines = bench.out("tries")
    assert [line["verdict"]["accepted"] for line in lines] == [None, None]
    assert lines[1]["edited_images"] == [str(bench.folder / "mine.png")]
    assert [(row["verdict"], row["edited_images"]) for row in bench.out()] == [([], []), ([], [])]


def test_what_was_left_unjudged_is_asked_of_the_judge_alone_by_a_run_that_asks_more_often(bench: EditBench) -> None:
    with pytest.raises(StepFailed, match="unjudged"):
        bench.run(always("right"), judge=MumblesTwice())
    summary = bench.run(always("right"), judge=MumblesTwice(), asks=3)
    assert (summary.accepted, summary.requests, bench.asked) == (2, 4, [])


def test_another_candidate_may_win_beside_an_unjudged_one(bench: EditBench) -> None:
    class MumblesOfWrong(CheckerJudge):
        async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
            answers = await super().call(batch)
            return [Answer(text="?") if '"following":2' in answer.text else answer for answer in answers]

    bench.run(from_then_on(1), judge=MumblesOfWrong(), candidates=2)
    assert [row["verdict"]["accepted"] for row in bench.out()] == [True, True]
    assert [line["verdict"]["accepted"] for line in bench.out("tries")] == [None, True, None, True]


def test_a_refused_edit_is_the_end_of_that_candidate_alone(bench: EditBench) -> None:
    summary = bench.run(from_then_on(1, before="refused"), candidates=2)
    assert summary.accepted == 2
    line = bench.out("tries")[0]
    assert line["edited_images"] == []
    assert (line["verdict"]["gate"], line["verdict"]["critique"]) == ("refused", "against the policy")
    assert bench.out("pairs") == []


def test_a_prompt_of_which_one_candidate_was_refused_is_asked_again(bench: EditBench) -> None:
    says = {0: "wrong", 1: "refused"}
    summary = bench.run(lambda request: says.get(request.repeat, "right"), candidates=2, tries=3, retry="resample")
    assert (summary.accepted, len(bench.asked)) == (2, 8)


def test_a_row_of_which_all_is_refused_fails_and_the_same_is_not_asked_twice(bench: EditBench) -> None:
    with pytest.raises(StepFailed, match="against the policy"):
        bench.run(always("refused"), retry="resample", tries=3)
    assert len(bench.asked) == 2


def test_an_editor_that_is_down_fails_the_row(bench: EditBench) -> None:
    with pytest.raises(StepFailed, match="nobody is there"):
        bench.run(from_then_on(1, before="down"), candidates=2)


def test_what_falls_at_a_gate_is_not_judged_and_in_no_pair(bench: EditBench) -> None:
    bench.run(from_then_on(1, before="same"), retry="resample")
    line = bench.out("tries")[0]
    assert (line["verdict"]["gate"], line["verdict"]["accepted"], "axes" in line["verdict"]) == ("no_op", False, False)
    assert (bench.out("pairs"), len(bench.out())) == ([], 2)
    bench.run(from_then_on(1, before="same"), retry="resample", gates=False)
    line = bench.out("tries")[0]
    assert ("gate" in line["verdict"], "measures" in line["verdict"], line["verdict"]["axes"]["following"]) == (
        False,
        False,
        2,
    )


class PrefersLaterNames(CheckerJudge):
    """Takes of two pictures that whose file name comes later, wherever it is shown."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        answers = await super().call(batch)
        return [
            replace(answer, text=f'{{"better": "{"AB"[job.request.images[-1] > job.request.images[-2]]}"}}')
            if "better" in (job.request.schema or "")
            else answer
            for job, answer in zip(batch, answers, strict=True)
        ]


@pytest.mark.parametrize("pairwise", [False, True])
def test_of_several_that_pass_the_first_wins_or_the_judge_chooses(bench: EditBench, pairwise: bool) -> None:
    bench.run(always("right"), candidates=3, pairwise=pairwise, judge=PrefersLaterNames())
    lines = bench.out("tries")
    for number, row in enumerate(bench.out()):
        own = lines[3 * number : 3 * number + 3]
        if pairwise:
            assert row["edited_images"] == max(line["edited_images"] for line in own)
        else:
            assert row["edited_images"] == own[0]["edited_images"]


WORDS = [f"fault {number}" for number in range(3)]


SIZES = list(product((1, 2, 3), (1, 2, 3)))  # tries, candidates


WAYS: Mapping[str, tuple[Retry, bool]] = {
    "resample": ("resample", False),
    "phrasings, then critique": ("reword", False),
    "phrasings, then rewriter": ("reword", True),
    "critique": ("critique", False),
    "function": (lambda instruction, verdict, number: f"{instruction}, {verdict.critique}", False),
}


class World:
    """What editor, judge and rewriter answer follows from the request and a seed; notes what they were asked."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.asked: set[Request] = set()

    def answer(self, request: Request) -> Answer:
        self.asked.add(request)
        chance = random.Random(f"{self.seed} {request.worker} {request.images} {request.prompt} {request.repeat}")
        if request.worker == "rewriter":
            return Answer(text=f"said otherwise {chance.randrange(2)}")
        if request.worker == "editor":
            if chance.random() < 0.15:
                return Answer(error=Failure("refused", "policy"))
            return Answer(pictures=(Picture(f"/{chance.random()}.png", "", 1, 1, 1),))
        # the same edit gets the same answers, however often it is asked about
        chance = random.Random(f"{self.seed} {request.images[-1]}")
        kind, words = chance.random(), chance.choice(WORDS)
        if kind < 0.15:
            return Answer(text="?")
        number = 9 if kind < 0.35 else chance.randrange(7)
        axes = ("following", "preservation", "naturalness", "artefacts")
        said = ", ".join(f'"{name}": {number}' for name in axes if f'"{name}"' in request.schema)
        return Answer(text=f'{{"reasoning": "{words}", {said}}}')

    def run(self, way: str, tries: int, candidates: int, standing: Sequence[str] = ()) -> Outcome | None:
        """The outcome of a row; None: all was refused."""
        retry, has_rewriter = WAYS[way]
        judge = make_judge(Echo(), None, 7.0, canaries=False)
        loop = AcceptLoop(judge, tries=tries, candidates=candidates, retry=retry, has_rewriter=has_rewriter)
        task = Task(("/a.png",), "paint it", phrasings=("make it red",), standing=tuple(standing))
        self.asked = set()
        try:
            outcome, _ = answered(loop.accept(task), self.answer)
        except AnswerError:
            return None
        return outcome


def is_accepted(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.winner is not None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("standing", [(), ("/mine.png", "/yours.png")], ids=["nothing stands", "two edits stand"])
def test_a_row_stays_accepted_and_nothing_that_was_asked_lies_idle(way: str, standing: Sequence[str]) -> None:
    lost, idle, accepted = [], [], 0
    for seed in range(150):
        world = World(seed)
        found = {size: (is_accepted(world.run(way, *size, standing)), world.asked) for size in SIZES}
        for (less, (was, asked)), (more, (now, again)) in product(found.items(), repeat=2):
            if less[0] <= more[0] and less[1] <= more[1]:
                lost += [(seed, less, more)] if was and not now else []
                idle += [(seed, less, more)] if not now and not asked <= again else []
        accepted += found[3, 3][0]
    assert (lost, idle) == ([], [])
    assert 50 < accepted < 150, "rows of both kinds"


@pytest.mark.parametrize("way", WAYS)
def test_of_one_candidate_each_try_follows_from_the_best_before_it(way: str) -> None:
    """What runs with one candidate asked before further ones were thought of is what they ask."""
    for seed in range(50):
        world = World(seed)
        outcome = world.run(way, 3, 1)
        tries = outcome.tries if outcome is not None else []
        for number, each in enumerate(tries[1:], 1):
            best = max(tries[:number], key=lambda each: each.rank).verdict
            assert each.prompt in prompts_after(way, best, number)


def prompts_after(way: str, best: Verdict, number: int) -> Sequence[str]:
    if way == "resample":
        return ["paint it"]
    if way.startswith("phrasings") and number == 1:
        return ["make it red"]
    if way.endswith("rewriter"):
        return ["said otherwise 0", "said otherwise 1"]
    if way == "function":
        return [f"paint it, {best.critique}"]
    return [f"paint it\nAn earlier edit was not good enough: {best.critique}"]
