"""What each family makes of a request's sizes; no weights are loaded."""

from collections.abc import Mapping

import pytest

from dataflow.core.records import JSON
from dataflow.serving.backends import FAMILIES, Plan
from tests.kit.families import family


@pytest.mark.parametrize("pipeline", FAMILIES)
def test_what_is_asked_is_what_is_made(pipeline: str) -> None:
    backend = family(pipeline)
    pictures = [(640, 360)] if "imageedit" in backend.tasks else []
    assert backend.plan((128, 96), pictures).size == (128, 96)


def test_several_pictures_stay_references_where_the_family_takes_them() -> None:
    for pipeline in (
        "QwenImageEditPlusPipeline",
        "QwenImage21Pipeline",
        "Flux2Pipeline",
        "Flux2KleinPipeline",
        "Flux2KleinKVPipeline",
    ):
        assert len(family(pipeline).plan(None, [(640, 480), (64, 64)]).inputs) == 2


def test_pictures_share_a_call_only_where_the_pipeline_keeps_them_apart() -> None:
    edit = Plan((64, 64), ((64, 64),))
    sharing = {pipeline for pipeline in FAMILIES if family(pipeline).shares_call(edit)}
    assert sharing == {"FluxKontextPipeline", "QwenImageEditPipeline"}
    alone = {pipeline for pipeline in FAMILIES if not family(pipeline).shares_call(Plan((64, 64)))}
    assert alone == {"QwenImage21Pipeline"}


@pytest.mark.parametrize(
    ("pipeline", "index", "steps", "guidance"),
    [
        ("Flux2KleinPipeline", {"is_distilled": True}, 4, 1.0),
        ("Flux2KleinPipeline", {"is_distilled": False}, 50, 4.0),
        ("Flux2KleinKVPipeline", {"is_distilled": True}, 4, None),
        ("Flux2Pipeline", {}, 50, 4.0),
        ("QwenImageEditPipeline", {}, 50, 4.0),
        ("QwenImageEditPlusPipeline", {}, 40, 4.0),
        ("QwenImagePipeline", {}, 50, 4.0),
        ("FluxKontextPipeline", {}, 28, 2.5),
        ("ZImagePipeline", {}, 8, 0.0),
    ],
)
def test_defaults_follow_the_checkpoint(
    pipeline: str, index: Mapping[str, JSON], steps: int, guidance: float | None
) -> None:
    backend = family(pipeline, **index)
    assert (backend.steps, backend.guidance) == (steps, guidance)
