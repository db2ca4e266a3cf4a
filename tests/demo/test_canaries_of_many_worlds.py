"""Canaries of many drawn worlds: a right judge passes all of them, and each broken one fails in every world."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from dataflow.core.records import Answer, Job, Request
from dataflow.demo.edits import make_example
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.reading import Unreadable
from dataflow.demo.world import Scene, draw
from dataflow.errors import ConfigError
from dataflow.judging.canaries import Canary
from dataflow.judging.judge import make_judge

Images = tuple[str, ...]
Answers = Callable[[Request], Answer]


class LooksOnce(CheckerJudge):
    """Reads each picture once."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, Scene | Unreadable] = {}

    def scene_of(self, path: str) -> Scene | Unreadable:
        if path not in self._seen:
            self._seen[path] = super().scene_of(path)
        return self._seen[path]


def shown(judge: CheckerJudge, order: Callable[[Images], Images] = tuple) -> Answers:
    """A judge that is shown the pictures of a request in some order."""

    def answer(request: Request) -> Answer:
        return judge.answer(Job("f" * 32, replace(request, images=order(request.images))))

    return answer


def says_eight(request: Request) -> Answer:
    return Answer(text=orjson.dumps(dict.fromkeys(orjson.loads(request.schema)["properties"], 8)).decode())


def the_last_alone(images: Images) -> Images:
    return (images[-1],) * len(images)


def swapped(images: Images) -> Images:
    return images[::-1]


def canaries_of(world: int, folder: Path) -> tuple[Canary, ...]:
    """The six of `dataflow/demo/canaries`, in another world."""
    example = make_example(7_000_003, world, split="seen", operation="recolour")
    other = make_example(7_000_003, world + 1000, split="seen", operation="recolour")
    spoilt = replace(example.target, background="beige" if example.target.background != "beige" else "grey")
    scenes = {"given": example.sources[0], "right": example.target, "spoilt": spoilt, "other": other.sources[0]}
    paths = {name: str(folder / f"{world}-{name}.png") for name in scenes}
    for name, scene in scenes.items():
        draw(scene).save(paths[name])
    given, right = (paths["given"],), paths["right"]
    said = example.instruction
    return (
        Canary("the same picture twice", given, paths["given"], said, {"following": "low"}),
        Canary("another picture", given, paths["other"], said, {"following": "low"}),
        Canary("as asked for", given, right, said, {"following": "high", "preservation": "high"}),
        Canary("source and edit swapped", (right,), paths["given"], said, {"following": "low"}),
        Canary("another instruction", given, right, other.instruction, {"following": "low"}),
        Canary("more than was asked for", given, paths["spoilt"], said, {"preservation": "low"}),
    )


def fault_of(canaries: tuple[Canary, ...], answer: Answers) -> str:
    """What is wrong with who answers so; empty: nothing."""
    asking = replace(make_judge(CheckerJudge(), None, 7.0, canaries=False), canaries=canaries).prove()
    assert asking is not None
    wave = next(asking)
    try:
        while True:
            wave = asking.send([answer(request) for request in wave])
    except StopIteration:
        return ""
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize("worlds", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_a_right_judge_passes_and_each_broken_one_fails(worlds: int, tmp_path: Path) -> None:
    for world in range(worlds):
        canaries, right = canaries_of(world, tmp_path), LooksOnce()
        assert fault_of(canaries, shown(right)) == ""
        broken = (shown(right, the_last_alone), shown(right, swapped), says_eight)
        assert all(fault_of(canaries, each) for each in broken), f"one passes in world {world}"
