"""The drawn canaries: what they show, that the checker passes them, and that broken judges do not."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from PIL import Image

from dataflow.core.records import Answer, Job
from dataflow.demo.judge import DRAWN_CANARIES, DRAWN_CONDITIONS, CheckerJudge
from dataflow.demo.reading import read
from dataflow.demo.world import Scene, Shape, draw
from dataflow.errors import ConfigError
from dataflow.judging.canaries import CONDITIONS
from dataflow.judging.judge import make_judge
from dataflow.judging.pair import prefers
from dataflow.judging.rubric import shipped_rubric
from dataflow.operators.core_vision import ImageEditJudge
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows, write_rows

STAR, CIRCLE = Shape("star", "red", "medium", 16, 18), Shape("circle", "yellow", "large", 44, 40)
BLUE = replace(STAR, colour="blue")
SHOWN = {
    "given": Scene((STAR, CIRCLE), "grey"),
    "recoloured": Scene((BLUE, CIRCLE), "grey"),
    "spoilt": Scene((BLUE, replace(CIRCLE, kind="square", colour="green")), "beige"),
    "other": Scene((Shape("cross", "pink", "large", 30, 30),), "navy"),
}


def test_the_pictures_show_what_their_names_say() -> None:
    for name, scene in SHOWN.items():
        with Image.open(DRAWN_CANARIES.with_name(f"{name}.png")) as picture:
            assert picture.tobytes() == draw(scene).tobytes()
            assert set(read(picture).shapes) == set(scene.shapes)


class SeesOne(CheckerJudge):
    """Is shown the last picture in the place of all."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return await super().call([seen(job, (job.request.images[-1],) * len(job.request.images)) for job in batch])


class Swaps(CheckerJudge):
    """Is shown the pictures in the wrong order."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return await super().call([seen(job, job.request.images[::-1]) for job in batch])


class SaysEight(CheckerJudge):
    """Looks at nothing."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        asked = [orjson.loads(job.request.schema)["properties"] for job in batch]
        return [Answer(text=orjson.dumps(dict.fromkeys(fields, 8)).decode()) for fields in asked]


def seen(job: Job, images: tuple[str, ...]) -> Job:
    return replace(job, request=replace(job.request, images=images))


def rows(folder: Path) -> FileStorage:
    given, edit = (str(DRAWN_CANARIES.with_name(f"{name}.png")) for name in ("given", "recoloured"))
    row = {"images": [given], "conversations": "paint the red star blue", "edited_images": [edit]}
    wrong = {**row, "conversations": "paint the red star pink"}
    return FileStorage(write_rows(folder / "rows.jsonl", [row, wrong, row]), folder / "cache")


def judge(worker: CheckerJudge) -> ImageEditJudge:
    return ImageEditJudge(worker, canaries=DRAWN_CANARIES)


def test_a_judge_that_sees_both_pictures_passes_and_is_asked_once(tmp_path: Path) -> None:
    storage = rows(tmp_path)
    summary = judge(CheckerJudge()).run(storage.step())
    found = read_rows(storage.current.target)
    assert [row["accepted"] for row in found] == [True, False, True]
    assert found[1]["verdict"]["axes"] == {"following": 2, "preservation": 10, "naturalness": 10, "artefacts": 10}
    assert found[1]["verdict"]["critique"] == "wrong: colour whole shapes on one background"
    assert summary.requests == 6 + 2 + 1, "six pairs, two questions of each row, the same picture alone once"
    again = judge(CheckerJudge()).run(rows(tmp_path).step())
    assert again.requests == 0


@pytest.mark.parametrize(
    ("worker", "check"),
    [(SeesOne, "as asked for"), (Swaps, "as asked for"), (SaysEight, "the same picture twice")],
)
def test_a_broken_judge_stops_the_run_with_picture_question_and_answer(
    worker: type[CheckerJudge], check: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"fails the check '{check}': of the edit .*\.png, made of .*; it said"):
        judge(worker()).run(rows(tmp_path).step())
    assert not list(tmp_path.glob("cache/*.jsonl"))


def test_a_judge_that_was_put_right_under_its_name_is_asked_anew_what_it_failed_alone(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ConfigError, match="fails the check"):
            judge(SaysEight()).run(rows(tmp_path).step())
    lines = (tmp_path / "cache" / ".dataflow" / "journal.jsonl").read_text().splitlines()
    answers = Counter(line["id"] for line in map(orjson.loads, lines) if line["t"] == "got")
    failed = [name for name, count in answers.items() if count > 1]
    assert 0 < len(failed) < len(answers) == 6, "what it passed is not asked again"
    assert set(answers.values()) == {1, 2}
    (tmp_path / "whole").mkdir()
    whole = judge(CheckerJudge()).run(rows(tmp_path / "whole").step())
    summary = judge(CheckerJudge()).run(rows(tmp_path).step())
    assert summary.requests == whole.requests - 6 + len(failed)
    assert judge(CheckerJudge()).run(rows(tmp_path).step()).requests == 0


class SeesAnother(CheckerJudge):
    """Is shown another picture in the place of each."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return await super().call([seen(job, (str(DRAWN_CANARIES.with_name("given.png")),)) for job in batch])


def proved(worker: CheckerJudge) -> int:
    """Asks about the drawings with known answers; how many these were."""
    asking = make_judge(worker, shipped_rubric("condition"), 7.0, canaries=DRAWN_CONDITIONS).prove()
    assert asking is not None
    wave, asked = next(asking), 0
    while True:
        asked += len(wave)
        answers = asyncio.run(worker.call([Job("0" * 32, request) for request in wave]))
        try:
            wave = asking.send(answers)
        except StopIteration:
            return asked


def test_a_judge_of_drawings_passes_and_is_asked_once_about_each() -> None:
    assert proved(CheckerJudge()) == 3


@pytest.mark.parametrize(("worker", "check"), [(SaysEight, "another description"), (SeesAnother, "as described")])
def test_a_broken_judge_of_drawings_is_found(worker: type[CheckerJudge], check: str) -> None:
    said = rf"fails the check '{check}': of the drawing .*\.png, made by 'a .*' .*; it said .* does not see the picture"
    with pytest.raises(ConfigError, match=said):
        proved(worker())


def test_the_shipped_drawings_with_descriptions_are_photographs() -> None:
    shipped = make_judge(CheckerJudge(), shipped_rubric("condition"), 7.0, canaries=CONDITIONS)
    assert [each.sources for each in shipped.canaries] == [(), (), ()]


def test_the_shipped_pairs_are_six_photographs() -> None:
    assert len(ImageEditJudge(CheckerJudge()).judge.canaries) == 6


@pytest.mark.parametrize(
    ("first", "second", "wins"),
    [("spoilt", "recoloured", True), ("recoloured", "spoilt", False), ("spoilt", "other", False)],
)
def test_of_two_edits_it_takes_the_right_one(first: str, second: str, wins: bool) -> None:
    given, one, other = (str(DRAWN_CANARIES.with_name(f"{name}.png")) for name in ("given", first, second))
    asking = prefers([given], one, other, "paint the red star blue")
    jobs = [Job("0" * 32, request) for request in next(asking)]
    with pytest.raises(StopIteration) as stop:
        asking.send(asyncio.run(CheckerJudge().call(jobs)))
    assert stop.value.value is wins
