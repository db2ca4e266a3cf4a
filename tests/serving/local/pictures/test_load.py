"""From a checkpoint to a model that draws: weights, dtype, LoRAs, and the pipeline for masks."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from PIL import Image

from dataflow.core.records import Request
from dataflow.errors import ConfigError
from dataflow.models.checkpoint import read_checkpoint
from dataflow.serving.backends import backend_of
from dataflow.serving.local.pictures.load import inpainting
from dataflow.serving.local.pictures.placing import WAYS, Way, place_in
from tests.kit.pipelines import loaded, serving
from tests.kit.tiny import running

Checkpoints = Callable[[str], Path]


def repainted(pipeline: Any, **mask: Any) -> numpy.ndarray:
    """A pipeline's picture of a fox, 64 x 64, always from the same noise."""
    noise = torch.Generator().manual_seed(1)
    sizes = {"height": 64, "width": 64, "max_area": 64 * 64, "_auto_resize": False}
    arguments = {
        "prompt": "a fox",
        "image": Image.new("RGB", (64, 64), "red"),
        "num_inference_steps": 2,
        **sizes,
        **mask,
    }
    made: numpy.ndarray = pipeline(**arguments, generator=noise, output_type="np").images[0]
    return made


def test_weights_that_do_not_fit_their_configuration_are_a_damaged_checkpoint(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(checkpoint("flux"), tmp_path / "flux"))
    other = checkpoint("qwen_image") / "transformer" / "diffusion_pytorch_model.safetensors"
    shutil.copy(other, folder / "transformer" / "diffusion_pytorch_model.safetensors")
    with pytest.raises(ConfigError, match="cannot be loaded as FluxPipeline"), running(serving(folder, tmp_path)):
        pass


def test_a_dtype_is_used_for_the_weights_or_refused(checkpoint: Checkpoints, tmp_path: Path) -> None:
    with running(serving(checkpoint("flux"), tmp_path, dtype="bfloat16")) as ask:
        assert ask(Request("a cat"))[0].error is None
    with pytest.raises(ConfigError, match="float17"), running(serving(checkpoint("flux"), tmp_path, dtype="float17")):
        pass


def test_a_lora_changes_the_picture_by_its_scale(checkpoint: Checkpoints, tmp_path: Path) -> None:
    import peft

    transformer = FluxTransformer2DModel.from_pretrained(checkpoint("flux") / "transformer")
    transformer.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    layers = peft.utils.get_peft_model_state_dict(transformer)
    FluxPipeline.save_lora_weights(tmp_path / "lora", transformer_lora_layers=layers)
    digests = []
    for lora in ((), ((str(tmp_path / "lora"), 0.0),), ((str(tmp_path / "lora"), 1.0),)):
        with running(serving(checkpoint("flux"), tmp_path / "out", lora=lora)) as ask:
            digests.append(ask(Request("a cat", seed=1))[0].pictures[0].sha256)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("way", WAYS[1:])
def test_a_mask_finds_the_parts_wherever_they_lie(way: Way, checkpoint: Checkpoints) -> None:
    folder = checkpoint("flux_kontext")
    made = []
    for brought in ("whole", way):
        pipeline = loaded(folder)
        assert place_in(pipeline, torch.device("cpu"), brought, {}, 0) == brought
        inpaint = inpainting(pipeline, backend_of(read_checkpoint(folder)))
        mask = Image.new("L", (64, 64), 255)
        made.append([repainted(inpaint, mask_image=mask), repainted(pipeline), repainted(inpaint, mask_image=mask)])
    whole, again = made
    assert [numpy.array_equal(*pair) for pair in zip(whole, again, strict=True)] == [True] * 3
