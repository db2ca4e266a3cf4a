"""The machinery around the pipeline call: rows, batches, checks and errors."""

import asyncio
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from dataflow.core.loop import submit
from dataflow.core.records import Job, Request, Turn
from tests.kit.flow import draw, facts_of
from tests.kit.pipelines import pixels, serving
from tests.kit.tiny import WAIT, as_jobs, running, small_references


async def stop(made: object) -> None:
    made.let_go()  # type: ignore[attr-defined]


Checkpoints = Callable[[str], Path]


COLOURS = ("red", "lime", "blue", "white", "black", "yellow", "cyan", "magenta")
SIZES = ((64, 64), (64, 48), (48, 64), (128, 64))


@pytest.mark.parametrize("family", ["flux_kontext", "qwen_image_edit"])
def test_every_row_of_a_mixed_batch_gets_the_picture_it_gets_alone(
    family: str, checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_references(monkeypatch)
    paths = [str(draw(tmp_path / f"{colour}.png", colour, SIZES[n % len(SIZES)])) for n, colour in enumerate(COLOURS)]
    asked = [Request("paint it", (path,), seed=7) for path in paths]
    asked += [asked[2], Request("paint it", (paths[0], paths[4]), seed=7)]
    asked += [Request("paint it", (paths[1],), size=(96, 64), seed=7)]
    with running(serving(checkpoint(family), tmp_path / "out", task="imageedit", batch_size=16)) as ask:
        together = [pixels(answer) for answer in ask(*asked)]
        alone = [pixels(ask(request)[0]) for request in asked]
    for at, (one, other) in enumerate(zip(together, alone, strict=True)):
        assert one.shape == other.shape
        assert abs(one - other).max() <= 1, f"row {at} differs from its single call"
    same_size = [alone[at] for at in (0, 4)]
    assert abs(same_size[0] - same_size[1]).max() > 5
    assert abs(together[2] - together[8]).max() <= 1
    assert together[10].shape == (64, 96, 3)


def test_a_picture_of_another_aspect_reaches_the_model_undistorted(checkpoint: Checkpoints, tmp_path: Path) -> None:
    """Seen through an encoder that keeps what it is given."""
    import torch
    from diffusers import AutoencoderKL

    seen: list[torch.Tensor] = []

    class Watching(AutoencoderKL):
        def encode(self, x: torch.Tensor, return_dict: bool = True) -> object:
            seen.append(x)
            return super().encode(x, return_dict)

    vae = Watching.from_pretrained(checkpoint("flux_kontext") / "vae")
    square_on_wide = Image.new("RGB", (320, 160), "black")
    square_on_wide.paste("white", (120, 40, 200, 120))
    square_on_wide.save(tmp_path / "wide.png")
    asked = serving(checkpoint("flux_kontext"), tmp_path / "out", task="imageedit", pipe_kwargs={"vae": vae})
    with running(asked) as ask:
        ask(Request("paint it", (str(tmp_path / "wide.png"),), size=(128, 128)))
    (image,) = seen
    light = image[0, 0] > 0
    assert tuple(image.shape[2:]) == (96, 176)
    assert abs(int(light.any(0).sum()) - int(light.any(1).sum())) <= 1


def test_a_corrupt_picture_among_eight_fails_alone(checkpoint: Checkpoints, tmp_path: Path) -> None:
    paths = [draw(tmp_path / f"{colour}.png", colour, (64, 64)) for colour in COLOURS]
    paths[3].write_bytes(paths[3].read_bytes()[:40])
    asked = [Request("paint it", (str(path),), seed=7) for path in paths]
    with running(serving(checkpoint("flux_kontext"), tmp_path / "out", task="imageedit", batch_size=8)) as ask:
        answers = ask(*asked)
        alone = ask(asked[4])[0]
    assert [answer.error is None for answer in answers] == [True] * 3 + [False] + [True] * 4
    assert answers[3].error.kind == "retry"
    assert str(paths[3]) in answers[3].error.reason
    assert abs(pixels(answers[4]) - pixels(alone)).max() <= 1


def test_a_flat_picture_is_refused_and_not_saved(checkpoint: Checkpoints, tmp_path: Path) -> None:
    import torch
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(checkpoint("flux") / "vae")
    with torch.no_grad():
        for weight in vae.decoder.conv_out.parameters():
            weight.zero_()
    with running(serving(checkpoint("flux"), tmp_path / "out", pipe_kwargs={"vae": vae})) as ask:
        (answer,) = ask(Request("a cat"))
    assert answer.error.kind == "refused"
    assert "#808080" in answer.error.reason
    assert not list(tmp_path.rglob("*.png"))


def test_a_saved_picture_without_a_journal_line_is_found_again(checkpoint: Checkpoints, tmp_path: Path) -> None:
    made = serving(checkpoint("flux"), tmp_path)
    (job,) = as_jobs((Request("a cat"),))
    assert made.recover(job) is None
    with running(made) as ask:
        (answer,) = ask(job.request)
    assert made.recover(job) == answer


@pytest.mark.parametrize(
    ("task", "request_", "said"),
    [
        ("text2image", Request("a cat", makes="text"), "no text"),
        ("text2image", Request("a cat", turns=(Turn("system", "be kind"),)), "no system prompt"),
        ("text2image", Request("a cat", ("a.png",)), "imageedit"),
        ("imageedit", Request("a cat"), "text2image"),
    ],
)
def test_what_this_serving_cannot_do_stops_the_run(
    task: str, request_: Request, said: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    with running(serving(checkpoint("flux_kontext"), tmp_path, task=task)) as ask:
        (answer,) = ask(request_)
    assert answer.error.kind == "fatal"
    assert said in answer.error.reason


def test_the_fingerprint_is_the_models_content_and_not_its_place(checkpoint: Checkpoints, tmp_path: Path) -> None:
    here = serving(checkpoint("flux"), tmp_path).fingerprint()
    moved = Path(shutil.copytree(checkpoint("flux"), tmp_path / "elsewhere"))
    (moved / "README.md").write_text("notes")
    assert serving(moved, tmp_path).fingerprint() == here
    weights = moved / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    assert serving(moved, tmp_path).fingerprint() != here


@pytest.mark.parametrize(
    "setting",
    [
        {"steps": 3},
        {"guidance": 2.0},
        {"size": (64, 80)},
        {"seed": 4},
        {"dtype": "bfloat16"},
        {"lora": (("owner/lora", 0.5),)},
        {"pipe_kwargs": {"variant": "fp16"}},
        {"call_kwargs": {"max_sequence_length": 64}},
        {"task": "imageedit"},
    ],
)
def test_what_changes_the_picture_changes_the_fingerprint(
    setting: dict[str, Any], checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder = checkpoint("flux_kontext")
    assert serving(folder, tmp_path, **setting).fingerprint() != serving(folder, tmp_path).fingerprint()


@pytest.mark.parametrize(
    "setting", [{"batch_size": 2}, {"device": ("cuda",)}, {"cache_dir": "c"}, {"images_per_prompt": 3}]
)
def test_how_it_is_run_does_not(setting: dict[str, Any], checkpoint: Checkpoints, tmp_path: Path) -> None:
    folder = checkpoint("flux_kontext")
    assert serving(folder, tmp_path / "a", **setting).fingerprint() == serving(folder, tmp_path).fingerprint()


def test_edits_of_families_that_cannot_mix_pictures_come_one_by_one(checkpoint: Checkpoints, tmp_path: Path) -> None:
    for family, task, most in [("flux2_klein", "imageedit", 1), ("flux2_klein", "text2image", 4)]:
        made = serving(checkpoint(family), tmp_path, task=task)
        made.prepare()
        made.settle()
        assert made.batching.max_batch == most


def test_calling_before_setup_is_a_bug_that_shows(checkpoint: Checkpoints, tmp_path: Path) -> None:
    made = serving(checkpoint("flux"), tmp_path)
    with pytest.raises(RuntimeError, match="before setup"):
        asyncio.run(made.call(as_jobs((Request("a cat"),))))


def test_a_picture_that_was_replaced_since_its_request_was_made_is_not_looked_at(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    kept, replaced = (draw(tmp_path / f"{name}.png", "red", (64, 64)) for name in ("kept", "replaced"))
    requests = [Request("what is it?", (str(path),)) for path in (kept, replaced)]
    jobs = [Job(job.id, job.request, (facts_of(Path(job.request.images[0])),)) for job in as_jobs(tuple(requests))]
    draw(replaced, "blue", (64, 64))
    made = serving(checkpoint("flux_kontext"), tmp_path / "out", task="imageedit")
    with running(made):
        first, second = submit(made.call(jobs)).result(WAIT)
    assert first.error is None
    assert str(second.error) == f"picture {replaced} changed while the step ran: run it again"


def test_a_run_that_stops_waits_for_the_call_that_is_drawn_and_no_other(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    drawing, go_on = threading.Event(), threading.Event()

    class Waiting(AutoencoderKL):
        def decode(self, z: torch.Tensor, *more: object, **named: object) -> object:
            drawing.set()
            assert go_on.wait(WAIT)
            return super().decode(z, *more, **named)

    vae = Waiting.from_pretrained(checkpoint("flux") / "vae")
    made = serving(checkpoint("flux"), tmp_path, pipe_kwargs={"vae": vae})
    jobs = as_jobs(tuple(Request(prompt) for prompt in "abc"))
    with running(made) as ask:
        first = submit(made.call(jobs[:1]))
        assert drawing.wait(WAIT)
        rest = [submit(made.call([job])) for job in jobs[1:]]
        submit(stop(made)).result(WAIT)
        go_on.set()
        assert first.result(WAIT)[0].error is None
        for one in rest:
            (answer,) = one.result(WAIT)
            assert answer.error.kind == "retry"
            assert "a run is stopping" in str(answer.error)
        assert ask(jobs[1].request)[0].error is None
