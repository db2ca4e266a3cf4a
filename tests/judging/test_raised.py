"""More tries or candidates than an earlier run had: what was accepted stays accepted, and only what is new is asked."""

import random
from collections.abc import Mapping, Sequence
from itertools import product

import pytest

from dataflow.core.records import Answer, Picture, Request
from dataflow.errors import AnswerError, Failure
from dataflow.judging.judge import make_judge
from dataflow.judging.loop import AcceptLoop
from dataflow.judging.tries import Outcome, Retry, Task
from dataflow.judging.verdict import Verdict
from tests.kit.workers import Echo

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
        asking = loop.accept(Task(("/a.png",), "paint it", phrasings=("make it red",), standing=tuple(standing)))
        self.asked = set()
        try:
            wave = next(asking)
            while True:
                wave = asking.send([self.answer(request) for request in wave])
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        except AnswerError:
            return None


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
