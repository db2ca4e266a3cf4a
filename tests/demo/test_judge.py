"""The demo's judge of drawings: it reads picture, description and instruction, and errs as often as the user says."""

import asyncio
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from PIL import Image

from dataflow.core.records import JSON, Job, Request
from dataflow.demo.edits import make_example
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.wording import caption
from dataflow.demo.world import Scene, Shape, draw
from dataflow.judging.rubric import Drawn, Kind, shipped_rubric

STAR, CIRCLE = Shape("star", "red", "small", 12, 12), Shape("circle", "blue", "large", 32, 32)
SCENE = Scene((STAR, CIRCLE), "white")
SAID = caption(SCENE, "en")
COMPOSE = "put the red star of the first image beside the blue circle of the second"


def asked(path: Path, description: str, instruction: str, number: int = 1, of: int = 1) -> Request:
    rubric, drawn = shipped_rubric("condition"), Drawn(description, number, of)
    prompt = rubric.prompt("condition", Kind(), instruction, drawn)
    return Request(prompt, (str(path),), makes="text", schema=rubric.schema("condition", Kind()))


def answered(request: Request, judge: CheckerJudge | None = None, job: str = "f" * 32) -> dict[str, JSON]:
    (answer,) = asyncio.run((judge or CheckerJudge()).call([Job(job, request)]))
    said: dict[str, JSON] = orjson.loads(answer.text)
    return said


@pytest.mark.parametrize(
    ("scene", "description", "instruction", "of", "expected"),
    [
        (SCENE, SAID, "", (1, 1), (10, 10, 10)),
        (SCENE, SAID, "paint the red star blue", (1, 1), (10, 10, 10)),
        (SCENE, caption(SCENE, "zh", 3), "删除红色星形", (1, 1), (10, 10, 10)),
        (SCENE, SAID, "remove the green star", (1, 1), (10, 2, 10)),
        (replace(SCENE, background="navy"), SAID, "remove the red star", (1, 1), (2, 10, 10)),
        (replace(SCENE, shapes=(CIRCLE,)), SAID, "remove the red star", (1, 1), (2, 2, 10)),
        (SCENE, "a cat on a sofa", "", (1, 1), (2, 10, 10)),
        (SCENE, SAID, COMPOSE, (1, 2), (10, 10, 10)),
        (SCENE, SAID, COMPOSE, (2, 2), (10, 10, 10)),
        (replace(SCENE, shapes=(CIRCLE,)), SAID, COMPOSE, (1, 2), (2, 2, 10)),
    ],
)
def test_a_drawing_is_judged_by_what_it_shows(
    scene: Scene, description: str, instruction: str, of: tuple[int, int], expected: tuple[int, ...], tmp_path: Path
) -> None:
    draw(scene).save(tmp_path / "drawn.png")
    said = answered(asked(tmp_path / "drawn.png", description, instruction, *of))
    assert (said["shows"], said["target"], said["flaws"]) == expected


def test_a_smear_has_flaws_and_nothing_to_edit(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 90).convert("RGB").save(tmp_path / "drawn.png")
    said = answered(asked(tmp_path / "drawn.png", SAID, "remove the red star"))
    assert (said["shows"], said["target"], said["flaws"], said["reasoning"]) == (2, 2, 2, "wrong: unreadable")


@pytest.mark.parametrize(("errs", "shows"), [({"false_reject": 0.3}, 2), ({"false_accept": 0.3}, 10)])
def test_it_errs_as_often_as_the_user_says(errs: dict[str, float], shows: int, tmp_path: Path) -> None:
    target = make_example(79, 1, operation="draw").target
    shown = target if "false_reject" in errs else replace(target, shapes=target.shapes[1:])
    draw(shown).save(tmp_path / "drawn.png")
    request, judge = asked(tmp_path / "drawn.png", caption(target, "en"), ""), CheckerJudge(**errs)
    mistakes = [answered(request, judge, f"{(2 * n + 1) * 2**32 // 200:032x}")["shows"] == shows for n in range(100)]
    assert mistakes == [n < 30 for n in range(100)]
