"""The size of a model is estimated before it is loaded."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline

from dataflow.models.checkpoint import read_checkpoint
from dataflow.serving.local.pictures.memory_estimate import weight_bytes, will_be_offloaded
from dataflow.serving.local.pictures.placing import bytes_elsewhere

Checkpoints = Callable[[str], Path]


@pytest.mark.parametrize("family", ["flux", "qwen_image"])
def test_the_weights_take_what_the_files_headers_say(family: str, checkpoint: Checkpoints) -> None:
    estimated = weight_bytes(read_checkpoint(checkpoint(family)), 2)
    found = bytes_elsewhere(DiffusionPipeline.from_pretrained(checkpoint(family), dtype=torch.bfloat16), "meta")
    assert estimated.keys() == found.keys()
    for name, size in found.items():
        assert estimated[name] == pytest.approx(size, rel=0.02, abs=2_000)  # buffers are in no file


def test_one_variant_counts_and_what_is_handed_over_does_not(checkpoint: Checkpoints, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoint("flux"), tmp_path / "flux"))
    plain = weight_bytes(read_checkpoint(folder), 4)
    files = sorted((folder / "transformer").glob("*.safetensors"))
    for path in files:
        shutil.copy(path, path.with_name("diffusion_pytorch_model.fp16-00001-of-00001.safetensors"))
    assert weight_bytes(read_checkpoint(folder), 4) == plain
    assert weight_bytes(read_checkpoint(folder), 4, variant="fp16") == {"transformer": plain["transformer"]}
    assert weight_bytes(read_checkpoint(folder), 4, without={"transformer"}).keys() == plain.keys() - {"transformer"}


def test_only_gpus_can_be_too_small(checkpoint: Checkpoints) -> None:
    model = read_checkpoint(checkpoint("flux"))
    assert not will_be_offloaded(model, ("cpu",), None, {}, fp8=False)
    assert not will_be_offloaded(model, ("cuda:0",), None, {"device_map": "balanced"}, fp8=False)
