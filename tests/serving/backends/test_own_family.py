"""A model family from outside the package, and what of a family stands in a request's id."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Request
from dataflow.errors import ConfigError
from dataflow.serving.backends import Backend, Plan, Sample, Size
from tests.kit.flow import draw
from tests.kit.pipelines import said, serving
from tests.kit.tiny import running

Checkpoints = Callable[[str], Path]


class Redraw(Backend):
    """FLUX.1 that draws a picture anew."""

    family = "Redraw"
    tasks = frozenset({"imageedit"})
    batches_pictures = True
    steps, guidance = 4, 3.5

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        size = asked or (64, 48)
        return Plan(size, (size,))

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        return {"image": [sample.images[0] for sample in samples], "strength": 0.5}


class Longer(Redraw):
    steps = 6


class Renamed(Redraw):
    family = "Redraw 2"


def test_a_family_of_ones_own_draws_at_its_size_and_steps_in_one_call(checkpoint: Checkpoints, tmp_path: Path) -> None:
    asked = [Request("a cat", (str(draw(tmp_path / f"{c}.png", c, (64, 48))),), seed=1) for c in ("red", "blue")]
    made = serving(checkpoint("flux_img2img"), tmp_path, task="imageedit", backend=Redraw, steps=None, size=None)
    with running(made) as ask:
        answers = ask(*asked)
    assert made.batching.max_batch == 4
    assert [(answer.pictures[0].width, answer.pictures[0].height) for answer in answers] == [(64, 48)] * 2
    assert len({answer.pictures[0].sha256 for answer in answers}) == 2


def test_its_name_and_defaults_are_always_in_the_id(checkpoint: Checkpoints, tmp_path: Path) -> None:
    folder = checkpoint("flux_img2img")
    changes: list[dict[str, Any]] = [{}, {"backend": Redraw}, {"backend": Longer}, {"backend": Renamed}, {"steps": 6}]
    plain, own, longer, renamed, asked = (
        serving(folder, tmp_path, task="imageedit", size=None, **{"steps": None, **settings}).fingerprint()
        for settings in changes
    )
    assert own == {**plain, "family": "Redraw", "steps": 4, "guidance": 3.5}
    assert longer == {**own, "steps": 6}
    assert renamed == {**own, "family": "Redraw 2"}
    assert asked == {**plain, "steps": 6}
    same = serving(folder, tmp_path, task="imageedit", size=None, steps=6, backend=Redraw)
    assert same.fingerprint() == longer


def test_it_is_named_where_a_setting_does_not_fit_it(checkpoint: Checkpoints, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\(Redraw\), which does Image_gen_task='imageedit'"):
        serving(checkpoint("flux_img2img"), tmp_path, backend=Redraw).prepare()
    with pytest.raises(ConfigError, match="which is Redraw"):
        serving(checkpoint("flux_img2img"), tmp_path, task="imageedit", backend=Redraw, family="FLUX").prepare()


@pytest.mark.parametrize("wrong", ["FLUX", object, Redraw.plan])
def test_what_is_no_family_is_refused_at_once(wrong: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"give a class derived from dataflow\.serving\.backends\.Backend"):
        serving(tmp_path, tmp_path, backend=wrong)


class Nameless(Backend):
    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        return Plan(asked)


class Filming(Nameless):
    family = "Filming"
    tasks = frozenset({"text2film"})  # type: ignore[arg-type]


class Plain(Nameless):
    """FLUX-Kontext by itself, which chooses its own size."""

    family = "Plain"
    tasks = frozenset({"text2image", "imageedit"})


class Misspelt(Plain):
    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        return {"strenght": 0.5}


class Unplanned(Plain):
    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        return (64, 64)  # type: ignore[return-value]


@pytest.mark.parametrize(("family", "says"), [(Nameless, "has no name"), (Filming, "has tasks")])
def test_a_family_without_a_name_or_with_other_tasks_is_refused(
    family: type[Backend], says: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=says):
        serving(checkpoint("flux"), tmp_path, backend=family).prepare()


@pytest.mark.parametrize(("family", "says"), [(Misspelt, "gives strenght, which"), (Unplanned, "must return a Plan")])
def test_what_a_family_says_wrong_is_named(
    family: type[Backend], says: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    with running(serving(checkpoint("flux"), tmp_path, backend=family)) as ask, pytest.raises(Exception, match=says):
        ask(Request("a cat"))


def test_a_pipeline_that_draws_another_size_than_the_plan_says_is_warned_about_once(
    checkpoint: Checkpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running(serving(checkpoint("flux_kontext"), tmp_path, backend=Plain, size=(96, 32))) as ask:
        answers = ask(Request("a cat", seed=1), Request("a cat", seed=2))
    (picture, _) = (answer.pictures[0] for answer in answers)
    assert (picture.width, picture.height) != (96, 32)
    (warning,) = (each for each in said(caplog) if "was asked for" in each)
    assert warning.startswith(f"FluxKontextPipeline was asked for 96 x 32 and drew {picture.width} x {picture.height}:")
