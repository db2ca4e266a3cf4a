"""Which defaults of a family stand in a request id."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.models.checkpoint import Checkpoint, read_checkpoint
from dataflow.serving.backends import FAMILIES, backend_of
from dataflow.serving.backends.flux_kontext import FluxKontext
from dataflow.serving.backends.implied import Defaults, defaults_of, implied, stated, unlike
from tests.kit.pipelines import serving

Checkpoints = Callable[[str], Path]
BUILT = (
    *("flux", "flux_schnell", "flux_kontext", "qwen_image", "qwen_image_edit", "qwen_image_edit_plus"),
    *("flux2", "flux2_klein", "flux2_klein_base", "flux2_klein_kv", "z_image", "z_image_base", "qwen_image_21"),
)


class LessGuided(FluxKontext):
    """FLUX-Kontext as a later release may have it."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        self.guidance = 2.0


def test_todays_defaults_are_implied_and_a_new_one_changes_the_id(checkpoint: Checkpoints, tmp_path: Path) -> None:
    found = read_checkpoint(checkpoint("flux_kontext"))
    today, later = (defaults_of(family(found)) for family in (FluxKontext, LessGuided))
    assert unlike(today, implied(found)) == {}
    assert unlike(later, implied(found)) == {"guidance": 2.0}
    said = serving(found.folder, tmp_path, steps=None, size=None).fingerprint()
    assert said.keys() == {"weights", "task"}
    by_user = serving(found.folder, tmp_path, steps=None, size=None, guidance=2.0).fingerprint()
    assert by_user == {**said, **unlike(later, implied(found))}


def test_a_default_that_is_given_up_or_new_is_stated_too() -> None:
    assert unlike(Defaults(), Defaults(4, 1.0)) == {"steps": None, "guidance": None}
    assert unlike(Defaults(4), Defaults(4, 1.0)) == {"guidance": None}
    assert unlike(Defaults(4, 1), Defaults(4, 1.0)) == {}
    assert unlike(Defaults(4, 1), Defaults()) == {"steps": 4, "guidance": 1.0}


@pytest.mark.parametrize("name", BUILT)
def test_no_id_states_a_default_of_today(name: str, checkpoint: Checkpoints) -> None:
    found = read_checkpoint(checkpoint(name))
    assert implied(found) == defaults_of(backend_of(found))
    assert (implied(found) == Defaults()) == (name == "qwen_image_21")  # it leaves them to its pipeline
    assert stated(found, None) == {}


def test_what_each_family_implies_is_tested(checkpoint: Checkpoints) -> None:
    assert {read_checkpoint(checkpoint(name)).pipeline for name in BUILT} == FAMILIES.keys()


def test_of_a_pipeline_of_no_family_nothing_is_implied(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "SanaPipeline"}))
    assert implied(read_checkpoint(tmp_path)) == Defaults()
    assert stated(read_checkpoint(tmp_path), None) == {}
