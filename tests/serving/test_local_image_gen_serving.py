"""Every family, from its folder to a picture on disk, through the class that users construct."""

import json
import pickle
import shutil
from collections.abc import Callable
from importlib.metadata import version
from itertools import combinations
from pathlib import Path

import numpy
import pytest
from PIL import Image

from dataflow.core.records import Answer, Request
from dataflow.errors import ConfigError
from dataflow.io.image import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator, PromptedImageGenerator
from dataflow.serving.local_image_gen_serving import LocalImageGenServing
from dataflow.utils.storage import FileStorage
from tests.kit.flow import draw, read_rows, write_rows
from tests.kit.tiny import DRAWING, EDITING, NAMES, VARIANTS, running, small_references

Checkpoints = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "megapixel" not in request.node.name:
        small_references(monkeypatch)


def serving(
    folder: Path,
    out: Path,
    task: str = "text2image",
    kind: type[LocalImageGenServing] = LocalImageGenServing,
    **more: object,
) -> LocalImageGenServing:
    settings: dict[str, object] = {
        "diffuser_num_inference_steps": 2,
        "diffuser_image_height": 64,
        "diffuser_image_width": 64,
        "device": "cpu",
        **more,
    }
    return kind(
        ImageIO(str(out)),
        hf_model_name_or_path=folder,
        Image_gen_task=task,  # type: ignore[arg-type]
        **settings,  # type: ignore[arg-type]
    )


def pixels(answer: Answer) -> numpy.ndarray:
    assert answer.error is None, answer.error
    return numpy.asarray(Image.open(answer.pictures[0].path)).astype(int)


def differ(one: Answer, other: Answer) -> bool:
    """Whether some pixel differs by more levels than a batch could explain."""
    return int(abs(pixels(one) - pixels(other)).max()) > 5


@pytest.mark.parametrize("family", DRAWING + VARIANTS)
def test_a_drawing_depends_on_prompt_and_seed_and_on_nothing_else(
    family: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    asked = [Request("a cat", seed=1), Request("two dogs", seed=1), Request("a cat", seed=2), Request("a cat", seed=1)]
    with running(serving(checkpoint(family), tmp_path, diffuser_model_name=NAMES.get(family, ""))) as ask:
        cat, dogs, other_seed, again = ask(*asked)
    assert pixels(cat).shape == (64, 64, 3)
    assert differ(cat, dogs)
    assert differ(cat, other_seed)
    assert abs(pixels(cat) - pixels(again)).max() <= 1


@pytest.mark.parametrize("family", [*EDITING, "flux2_klein_base", "flux2_klein_kv"])
def test_an_edit_depends_on_every_input_picture_and_their_order(
    family: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    red, blue = (str(draw(tmp_path / f"{name}.png", name, (64, 64))) for name in ("red", "blue"))
    inputs = [(red,), (blue,), (red, blue), (blue, red)]
    asked = [Request("paint it", images, seed=1) for images in inputs]
    made = serving(checkpoint(family), tmp_path / "out", "imageedit", diffuser_model_name=NAMES.get(family, ""))
    with running(made) as ask:
        answers = ask(*asked)
    assert all(pixels(answer).shape == (64, 64, 3) for answer in answers)
    assert differ(answers[0], answers[1])
    assert differ(answers[0], answers[2])
    assert differ(answers[2], answers[3])


TASKS = [(family, "text2image") for family in DRAWING + VARIANTS] + [(family, "imageedit") for family in EDITING]


@pytest.mark.parametrize(("family", "task"), TASKS)
def test_the_same_batch_gives_the_same_files_and_a_single_call_differs_by_a_level_at_most(
    family: str, task: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    asked = []
    told = [("a cat", "red"), ("两只狗 on a beach, at dusk, far away", "blue"), ("b", "lime")]
    for seed, (prompt, colour) in enumerate(told):
        images = (str(draw(tmp_path / f"{colour}.png", colour, (64, 64))),) if task == "imageedit" else ()
        asked.append(Request(prompt, images, seed=seed))
    first, second = (serving(checkpoint(family), tmp_path / run, task) for run in ("first", "second"))
    with running(first) as ask:
        together = ask(*asked)
        made = [pixels(answer) for answer in together]
        alone = [pixels(ask(request)[0]) for request in asked]
    with running(second) as ask:
        again = ask(*asked)
    assert [answer.pictures[0].sha256 for answer in together] == [answer.pictures[0].sha256 for answer in again]
    for one, other in zip(made, alone, strict=True):
        assert abs(one - other).max() <= 1
    assert all(abs(one - other).max() > 5 for one, other in combinations(made, 2))


@pytest.mark.slow
def test_qwen_edits_at_the_megapixel_its_pipeline_really_uses(checkpoint: Checkpoints, tmp_path: Path) -> None:
    picture = str(draw(tmp_path / "a.png", size=(64, 48)))
    with running(serving(checkpoint("qwen_image_edit"), tmp_path / "out", "imageedit")) as ask:
        (answer,) = ask(Request("paint it", (picture,)))
    assert pixels(answer).shape == (64, 64, 3)


def test_a_step_of_edits_runs_through_the_operator_and_asks_nothing_twice(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    rows = [
        {"conversations": [{"role": "user", "content": "paint it"}], "images": [str(draw(tmp_path / f"{c}.png", c, s))]}
        for c, s in [("red", (64, 64)), ("blue", (64, 32)), ("lime", (64, 64)), ("red", (64, 64)), ("cyan", (32, 64))]
    ]
    storage = FileStorage(str(write_rows(tmp_path / "rows.jsonl", rows)), cache_path=str(tmp_path / "cache"))
    editor = PromptedImageEditGenerator(serving(checkpoint("flux_kontext"), tmp_path / "cache" / "out", "imageedit"))
    first = editor.run(storage.step())
    (tmp_path / "cache" / "dataflow_cache_step_step1.jsonl").unlink()
    again = FileStorage(str(tmp_path / "rows.jsonl"), cache_path=str(tmp_path / "cache"))
    second = editor.run(again.step())
    assert (first.rows, first.failed, first.requests) == (5, 0, 5)
    assert (second.requests, second.reused) == (0, 5)
    edited = read_rows(second.target)
    assert len({Path(row["edited_images"][0]).read_bytes() for row in edited}) == 5


def test_a_step_that_only_replays_records_the_licence_without_preparing(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    prepared = []

    class Noting(LocalImageGenServing):
        def prepare(self) -> None:
            prepared.append(self)
            super().prepare()

    folder = Path(shutil.copytree(checkpoint("flux"), tmp_path / "flux"))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    rows = write_rows(tmp_path / "rows.jsonl", [{"conversations": ["a cat"]}])
    recorded = []
    for _ in range(2):
        storage = FileStorage(rows, tmp_path / "cache")
        made = serving(folder, tmp_path / "cache" / "out", kind=Noting)
        summary = PromptedImageGenerator(made).run(storage.step())
        meta = tmp_path / "cache" / "dataflow_cache_step_step1.meta.json"
        said = json.loads(meta.read_text())
        recorded.append((summary.requests, said["workers"]["painter"]["licence"], said["made_by"]["painter"]))
        meta.unlink()
    made_by = {"model": str(folder)}
    drew = {"libraries": {name: version(name) for name in ("torch", "diffusers", "transformers")}}
    assert recorded == [(1, "apache-2.0", made_by | drew), (0, "apache-2.0", made_by)]
    assert len(prepared) == 1


@pytest.mark.parametrize("family", DRAWING)
def test_sizes_come_out_as_asked_and_odd_ones_are_rounded_and_recorded(
    family: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    with running(serving(checkpoint(family), tmp_path)) as ask:
        exact, odd = ask(Request("a cat", size=(128, 128)), Request("a cat", size=(100, 70)))
    assert (exact.pictures[0].width, exact.pictures[0].height) == (128, 128)
    assert (odd.pictures[0].width, odd.pictures[0].height) == (96, 64)
    assert odd.usage == {"images": 1.0, "asked_width": 100.0, "asked_height": 70.0}


@pytest.mark.parametrize("family", EDITING)
def test_an_edit_comes_out_at_the_size_asked_for_whatever_size_goes_in(
    family: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    inputs = [str(draw(tmp_path / f"{size[0]}.png", size=size)) for size in ((100, 70), (64, 130), (17, 15))]
    sizes = [(128, 128), (64, 96), (100, 70)]
    asked = [Request("paint it", (path,), size=size) for path, size in zip(inputs, sizes, strict=True)]
    with running(serving(checkpoint(family), tmp_path / "out", "imageedit")) as ask:
        made = [answer.pictures[0] for answer in ask(*asked)]
    assert [(picture.width, picture.height) for picture in made] == [(128, 128), (64, 96), (96, 64)]


def test_the_same_request_gives_the_same_file_in_another_process_of_the_same_model(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    digests = []
    for run in ("first", "second"):
        made = serving(checkpoint("flux_kontext"), tmp_path / run, "imageedit")
        with running(pickle.loads(pickle.dumps(made))) as ask:
            (answer,) = ask(Request("a cat", (str(draw(tmp_path / "a.png", size=(64, 48))),)))
        digests.append(answer.pictures[0].sha256)
    assert digests[0] == digests[1]


def test_a_pipeline_of_no_known_family_draws_one_at_a_time(checkpoint: Checkpoints, tmp_path: Path) -> None:
    folder = checkpoint("flux_img2img")
    asked = serving(folder, tmp_path / "out", "imageedit", call_kwargs={"strength": 1.0})
    red = str(draw(tmp_path / "red.png", "red", (64, 64)))
    with running(asked) as ask:
        answers = ask(Request("a cat", (red,)), Request("two dogs", (red, red)))
    assert asked.batching.max_batch == 1
    assert [answer.pictures[0].width for answer in answers] == [64, 64]


def test_before_setup_it_pickles_with_all_it_prepared(checkpoint: Checkpoints, tmp_path: Path) -> None:
    asked = serving(checkpoint("qwen_image_edit_plus"), tmp_path, "imageedit", device=["cpu", "cpu"])
    asked.prepare()
    asked.settle()
    copied = pickle.loads(pickle.dumps(asked.on_device("cpu")))
    assert (copied.placement.devices, copied.batching.max_batch, copied.fingerprint()) == (
        ("cpu",),
        1,
        asked.fingerprint(),
    )


def test_batch_keys_bring_equal_sizes_together(checkpoint: Checkpoints, tmp_path: Path) -> None:
    asked = serving(checkpoint("flux_kontext"), tmp_path, "imageedit")
    square, twin, wide = (
        Request("p", (str(draw(tmp_path / f"{n}.png", size=size)),))
        for n, size in enumerate([(64, 64), (90, 90), (64, 32)])
    )
    assert asked.batch_key(square) is None
    asked.prepare()
    assert asked.batch_key(square) == asked.batch_key(twin) != asked.batch_key(wide)
    assert asked.batch_key(Request("p", (str(tmp_path / "gone.png"),))) is None
    assert asked.batch_key(Request("no picture to edit")) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"image_io": None}, "image_io"),
        ({"hf_model_name_or_path": ""}, "hf_model_name_or_path"),
        ({"batch_size": 0}, "batch_size"),
        ({"Image_gen_task": "video"}, "Image_gen_task"),
        ({"diffuser_image_height": 64}, "diffuser_image_width"),
        ({"diffuser_num_images_per_prompt": 0}, "diffuser_num_images_per_prompt"),
        ({"call_kwargs": {"height": 64}}, "diffuser_image_height"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused_at_once(settings: dict[str, object], said: str) -> None:
    given: dict[str, object] = {"image_io": ImageIO("out"), "hf_model_name_or_path": "owner/model", **settings}
    with pytest.raises(ConfigError, match=said):
        LocalImageGenServing(**given)  # type: ignore[arg-type]
