"""The parts of a synthesizer: which fit together, and what each is asked under which name."""

from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.operators.core_text import EditInstructionGenerator, EditPromptGenerator
from dataflow.operators.core_vision import (
    CheckedImageGenerator,
    ImageEditAcceptLoop,
    ImageEditJudge,
    PromptedImageGenerator,
    TripletSynthesizer,
)
from dataflow.quota.quota import Quota
from dataflow.serving.template_writer import TemplateWriter
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.triplets import MIX, Eye, Hand, Pen, accept_loop, likely_world, rows, two_pictures


def test_drawings_are_checked_before_their_edit_is_paid(tmp_path: Path) -> None:
    wrong, right = two_pictures(tmp_path)
    painter = CheckedImageGenerator(
        Hand("painter", likely_world(1), [wrong, right], right=0.5), Eye(right), canaries=False
    )
    writer = EditPromptGenerator(Pen(), languages=["en"])
    made = TripletSynthesizer(writer, painter, accept_loop(tmp_path, likely_world(1)), quota=Quota(12, mix=MIX))
    summary = made.run(FileStorage(cache_path=tmp_path / "cache").step())
    assert summary.rows == 12
    assert {row["images"][0] for row in rows(tmp_path)} == {right.path}
    assert len(rows(tmp_path, "drawings.")) > summary.sides["drawn"]
    lost = summary.sides["rejected_drawings"]
    assert lost == summary.sides["written"] - summary.sides["drawn"] > 0
    assert f"lost as drawing ({lost})" in str(summary)


def test_two_judges_are_two_workers(tmp_path: Path) -> None:
    wrong, right = two_pictures(tmp_path)
    checker, asked = Eye(right, model="small judge"), Eye(right)
    painter = CheckedImageGenerator(Hand("painter", likely_world(1), [wrong, right]), checker, canaries=False)
    loop = ImageEditAcceptLoop(Hand("editor", likely_world(1), [wrong, right]), asked, gates=False)
    made = TripletSynthesizer(EditPromptGenerator(Pen()), painter, loop)
    assert (made.workers["checker"], made.workers["judge"]) == (checker, asked)


def test_parts_that_do_not_fit_are_named(tmp_path: Path) -> None:
    judge = ImageEditJudge(ScriptedWorker(lambda request: "{}"), canaries=False)
    loop = ImageEditAcceptLoop(ScriptedWorker(lambda request: b""), judge)
    with pytest.raises(ConfigError, match="give a painter"):
        TripletSynthesizer(EditPromptGenerator(TemplateWriter()), None, loop)
    looking = EditInstructionGenerator(ScriptedWorker(lambda request: "{}"))
    with pytest.raises(ConfigError, match="give None as the painter"):
        TripletSynthesizer(looking, PromptedImageGenerator(ScriptedWorker(lambda request: b"")), loop)
