"""Pictures made of a call's tensors are those that diffusers makes itself, and no picture is made of no numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import AutoencoderKL, DiffusionPipeline
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from dataflow.core.records import Request
from dataflow.errors import Failure
from dataflow.io.image import ImageIO
from dataflow.models.checkpoint import read_checkpoint
from dataflow.serving.backends import Plan, Sample, backend_of
from dataflow.serving.local.pictures.pixels import Pixels, pixels_of
from dataflow.serving.local.pictures.serving import LocalServing
from dataflow.serving.local.pictures.settings import LocalSettings
from tests.kit.tiny import running, small_references

Checkpoints = Callable[[str], Path]
DRAWING = ("flux", "flux2", "flux2_klein", "flux2_klein_kv", "qwen_image", "z_image")
EDITING = ("flux_kontext", "qwen_image_edit", "qwen_image_edit_plus")


def levels(image: Image.Image | Failure) -> numpy.ndarray:
    assert isinstance(image, Image.Image)
    return numpy.asarray(image)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("channels", [1, 3])
def test_levels_are_those_of_diffusers(dtype: torch.dtype, channels: int) -> None:
    halves = (torch.arange(2 * channels * 40 * 24) % 511) / 510  # on and between two levels
    drawn = halves.reshape(2, channels, 40, 24).to(dtype) * 2 - 1
    drawn += torch.randn(drawn.shape, generator=torch.Generator().manual_seed(1)).to(dtype) * 0.01
    processor: Any = VaeImageProcessor()
    theirs = processor.postprocess(drawn, output_type="pil")
    ours = [one.image() for one in pixels_of(processor.postprocess(drawn, output_type="pt"))]
    assert [image.mode for image in ours] == [image.mode for image in theirs] == [{1: "L", 3: "RGB"}[channels]] * 2
    assert all(numpy.array_equal(levels(one), levels(other)) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("family", DRAWING + EDITING)
def test_pictures_of_every_family_are_those_of_its_pipeline(
    family: str, checkpoint: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_references(monkeypatch)
    found = read_checkpoint(checkpoint(family))
    backend = backend_of(found)
    pipeline: Any = DiffusionPipeline.from_pretrained(found.folder, **backend.components(found))
    pipeline.set_progress_bar_config(disable=True)
    assert backend.gives_tensors
    picture = Image.effect_noise((64, 64), 60).convert("RGB")
    images = (picture,) if family in EDITING else ()
    sample = Sample(Plan((64, 64), ((64, 64),) * len(images)), "a cat", images, 3)
    arguments = {"num_inference_steps": 2, "width": 64, "height": 64, **backend.arguments([sample])}

    def drawn(kind: str) -> Any:
        generator = [torch.Generator().manual_seed(3)]
        return pipeline(prompt=["a cat"], generator=generator, output_type=kind, **arguments).images

    (ours,) = pixels_of(drawn("pt"))
    assert numpy.array_equal(levels(ours.image()), levels(drawn("pil")[0]))


def test_a_picture_is_not_looked_at_before_it_has_arrived() -> None:
    levels, lost = torch.zeros(4, 6, 3, dtype=torch.uint8), torch.tensor(True)

    class Copying:
        def synchronize(self) -> None:
            levels.fill_(7)
            lost.fill_(False)

    assert set(Pixels(levels, lost, Copying()).image().tobytes()) == {7}


@pytest.mark.parametrize("lost", ["all", "some"])
def test_a_picture_that_is_no_numbers_is_refused_and_not_saved(
    lost: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    class Losing(AutoencoderKL):
        def decode(self, z: torch.Tensor, *more: Any, **named: Any) -> Any:
            decoded: Any = super().decode(z, *more, **named)
            decoded[0][1, :, : None if lost == "all" else 5] = torch.nan
            return decoded

    vae = Losing.from_pretrained(checkpoint("flux") / "vae")
    arguments: Any = {"steps": 1, "size": (64, 64), "device": ("cpu",), "pipe_kwargs": {"vae": vae}}
    worker = LocalServing(LocalSettings(str(checkpoint("flux")), ImageIO(str(tmp_path)), **arguments))
    with running(worker) as ask:
        answers = ask(*(Request("a cat", seed=number) for number in range(3)))
    assert [answer.error and answer.error.kind for answer in answers] == [None, "refused", None]
    assert "no numbers (NaN)" in str(answers[1].error)
    assert len(list(tmp_path.rglob("*.png"))) == 2
