"""The guide's blocks for local models run as they stand, on tiny checkpoints.

Changed are only model, its name, address, key, step count and size; the names a fragment takes from around it are
supplied. The example rows are cut down in place, so the paths are the guide's.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator, PromptedImageGenerator
from dataflow.serving.local_image_gen_serving import LocalImageGenServing
from dataflow.utils.storage import FileStorage
from tests.guide.blocks import block, changed, gpu_pipelines, result_rows, run, server
from tests.kit.drawing import mark_of, read_mark
from tests.kit.flow import journal_entries
from tests.kit.loopback import LoopbackServer
from tests.kit.tiny import DRAWING, EDITING, NAMES, enliven, flux_parts, saved, small_references

__all__ = ["gpu_pipelines", "server"]

Checkpoints = Callable[[str], Path]
EDITS = "../example_data/image_gen/image_edit/prompts.jsonl"
SEVERAL = "../example_data/image_gen/multi_image_input_gen/prompts.jsonl"
NAMED = "FLUX-Kontext"
KONTEXT = "black-forest-labs/FLUX.1-Kontext-dev"
SMALL = "diffuser_image_height=64, diffuser_image_width=64"
FEW_STEPS = ("diffuser_num_inference_steps=28", f"diffuser_num_inference_steps=2, {SMALL}")
LOCAL_DIR = 'hf_local_dir="./ckpt/models/"'
FEW_STEPS_TO_DRAW = (LOCAL_DIR, f"{LOCAL_DIR}, diffuser_num_inference_steps=2, {SMALL}")


def keep_first(path: str, count: int) -> None:
    lines = Path(path).read_text(encoding="utf-8").splitlines(keepends=True)
    Path(path).write_text("".join(lines[:count]), encoding="utf-8")


def pictures_of(rows: list[dict[str, Any]], column: str, folder: str) -> list[bytes]:
    """The bytes of all pictures of a column, each of which is below this folder and 64 x 64 pixels."""
    paths = [path for row in rows for path in row[column]]
    for path in paths:
        assert path.startswith(str(Path.cwd() / folder))
        with Image.open(path) as picture:
            assert (picture.size, picture.mode) == ((64, 64), "RGB")
    return [Path(path).read_bytes() for path in paths]


def requests(cache: str) -> list[object]:
    """The ids of the requests begun, each as often as it was."""
    return [entry["id"] for entry in journal_entries(Path(cache)) if entry["t"] == "start"]


def the_editing_class(model: Path, name: str = NAMED) -> str:
    code = block("python", "class ImageGenerationPipeline", "LocalImageGenServing")
    return changed(code, (KONTEXT, str(model)), (f'"{NAMED}"', f'"{name}"'), FEW_STEPS)


def editor(model: Path, save_path: str) -> LocalImageGenServing:
    """The guide's editing serving for another pipeline of its reader's."""
    return LocalImageGenServing(
        image_io=ImageIO(save_path=save_path),
        hf_model_name_or_path=model,
        Image_gen_task="imageedit",
        diffuser_num_inference_steps=2,
        diffuser_image_height=64,
        diffuser_image_width=64,
    )


def coarse_kontext(folder: Path) -> Path:
    """A FLUX-Kontext that sees a megapixel as 16 x 16 tokens, so the default size and steps take no minute."""
    from diffusers import AutoencoderKL, FluxKontextPipeline

    vae = AutoencoderKL(
        block_out_channels=(2,) * 7,
        down_block_types=("DownEncoderBlock2D",) * 7,
        up_block_types=("UpDecoderBlock2D",) * 7,
        norm_num_groups=1,
        latent_channels=4,
        scaling_factor=1.0,
        shift_factor=0.0,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
    )
    return saved(FluxKontextPipeline(**{**flux_parts(), "vae": enliven(vae, 5)}), folder)


@pytest.mark.parametrize("family", EDITING)
def test_the_local_editing_class(
    family: str, gpu_pipelines: Path, checkpoint: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_references(monkeypatch)
    keep_first(EDITS, 3)
    code = the_editing_class(checkpoint(family), NAMES[family])
    pipeline = run(code, os=os)["ImageGenerationPipeline"]()
    pipeline.forward()

    rows = result_rows("./cache_local/image_editing")
    assert [len(row["edited_images"]) for row in rows] == [1, 1, 1]
    made = pictures_of(rows, "edited_images", "cache_local/image_editing/target_images/")
    assert len(set(made)) == 3
    before = requests("cache_local/image_editing")
    pipeline.forward()
    assert len(before) == 3
    assert requests("cache_local/image_editing") == before
    assert result_rows("./cache_local/image_editing") == rows


@pytest.mark.slow
def test_the_local_editing_class_as_a_script_without_a_main_guard(gpu_pipelines: Path, checkpoint: Checkpoints) -> None:
    keep_first(EDITS, 2)
    code = the_editing_class(checkpoint("flux_kontext"))
    Path("mine.py").write_text(f"import os\n{code}\nImageGenerationPipeline().forward()\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "mine.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    rows = result_rows("./cache_local/image_editing")
    assert len(set(pictures_of(rows, "edited_images", "cache_local/image_editing/target_images/"))) == 2


def the_several_pictures_class(model: Path, url: str) -> str:
    return changed(
        block("python", "class MultiImages2ImagePipeline"),
        ("/ytech_m2v5_hdd/CheckPoints/FLUX.1-dev", str(model)),
        ("https://api.openai.com/v1/", url),
        FEW_STEPS_TO_DRAW,
    )


@pytest.mark.parametrize("family", EDITING)
def test_the_several_pictures_class_with_both_steps_here(
    family: str, gpu_pipelines: Path, checkpoint: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the guide allows, the editing serving is replaced by a local one; each family draws its own conditions."""
    small_references(monkeypatch)
    keep_first(SEVERAL, 2)
    home = "cache_local/multi_subjects_driven_image_generation"
    drawing = checkpoint(family if family in DRAWING else "qwen_image")
    pipeline = run(the_several_pictures_class(drawing, "http://127.0.0.1:1/v1/"))["MultiImages2ImagePipeline"]()
    serving = editor(checkpoint(family), f"{home}/target_images")
    pipeline.image_editing_generator = PromptedImageEditGenerator(image_edit_serving=serving)
    pipeline.forward()

    rows = result_rows(home, step=2)
    assert [len(row["input_image"]) for row in rows] == [2, 2]
    edited = pictures_of(rows, "output_image", f"{home}/target_images/")
    assert len({*edited, *pictures_of(rows, "input_image", f"{home}/condition_images/")}) == 6
    before = requests(home)
    pipeline.forward()
    assert (len(before), requests(home), result_rows(home, step=2)) == (6, before, rows)


@pytest.mark.parametrize("family", DRAWING)
def test_the_several_pictures_class_draws_here_and_edits_over_an_address(
    family: str, server: LoopbackServer, checkpoint: Checkpoints
) -> None:
    keep_first(SEVERAL, 2)
    pipeline = run(the_several_pictures_class(checkpoint(family), server.url))["MultiImages2ImagePipeline"]()
    pipeline.forward()

    home = "cache_local/multi_subjects_driven_image_generation"
    rows = result_rows(home, step=2)
    drawn = pictures_of(rows, "input_image", f"{home}/condition_images/")
    assert ([len(row["input_image"]) for row in rows], len(set(drawn))) == ([2, 2], 4)
    for row in rows:
        (edited,) = row["output_image"]
        assert edited.startswith(str(Path.cwd() / home / "target_images"))
        sent = [Path(path).read_bytes() for path in row["input_image"]]
        assert read_mark(edited) == mark_of(row["output_img_discript"][-1]["content"], sent)
    before = requests(home)
    pipeline.forward()
    assert (server.requests, len(before)) == (2, 6)
    assert (requests(home), result_rows(home, step=2)) == (before, rows)


@pytest.mark.parametrize("family", DRAWING)
def test_the_fragments_that_draw(family: str, gpu_pipelines: Path, checkpoint: Checkpoints) -> None:
    keep_first(SEVERAL, 1)
    loading = changed(block("python", "<Your jsonl file path>"), ("<Your jsonl file path>", SEVERAL))
    storage = run(loading, FileStorage=FileStorage)["storage"]
    drawing = block("python", "t2i_serving = LocalImageGenServing(", "batch_size=8")
    drawing = changed(drawing, ("black-forest-labs/FLUX.1-dev", str(checkpoint(family))), FEW_STEPS_TO_DRAW)
    around = {"storage": storage, "os": os, "ImageIO": ImageIO, "LocalImageGenServing": LocalImageGenServing}
    t2i_serving = run(drawing, **around)["t2i_serving"]
    generator = PromptedImageGenerator(t2i_serving=t2i_serving)
    running = block("python", "text_to_image_generator.run(\n    storage=storage.step()")
    run(running, storage=storage, text_to_image_generator=generator)

    (row,) = result_rows("./cache_local/<Your task name>")
    assert len(row["input_text"]) == len(row["input_image"]) == 2
    assert len(set(pictures_of([row], "input_image", "cache_local/<Your task name>/condition_images/"))) == 2


def test_the_fragments_that_edit(gpu_pipelines: Path, checkpoint: Checkpoints) -> None:
    keep_first(EDITS, 2)
    loading = changed(block("python", "<Your jsonl file path>"), ("<Your jsonl file path>", EDITS))
    me = SimpleNamespace(storage=run(loading, FileStorage=FileStorage)["storage"])
    serving = block("python", "\nself.serving = LocalImageGenServing(")
    serving = changed(serving, (KONTEXT, str(checkpoint("flux_kontext"))), FEW_STEPS)
    run(serving, self=me, os=os, ImageIO=ImageIO)
    run(block("python", "PromptedImageEditGenerator(pipe=self.serving)"), self=me)

    rows = result_rows("./cache_local/<Your task name>")
    assert len(set(pictures_of(rows, "edited_images", "cache_local/<Your task name>/images/"))) == 2


@pytest.mark.slow
def test_the_commands(gpu_pipelines: Path, tmp_path: Path) -> None:
    flags = f"'local' --model {coarse_kontext(tmp_path / 'coarse')} --limit 1"
    here = changed(block("bash", "python image_editing_pipeline.py --serving_type 'local'"), ("'local'", flags))
    elsewhere = block("bash", "/path/to/DataFlow-MM/test/image_editing_pipeline.py --serving_type 'local'")
    elsewhere = changed(elsewhere, ("'local'", flags), ("/path/to/DataFlow-MM/test", str(gpu_pipelines)))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command, words in ((here, "1 request sent, 0 answered before"), (elsewhere, "0 requests sent, 1 answered")):
        done = subprocess.run(
            ["bash", "-euc", command], env={**os.environ, "PATH": path}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "serving: local (--serving_type" in done.stdout  # a machine without a GPU says so behind it
        assert "step 1: 1 row, 0 failed" in done.stdout
        assert words in done.stdout
    assert Path("cache_local/image_editing/contact_sheet.png").exists()
