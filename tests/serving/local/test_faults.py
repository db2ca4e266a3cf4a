"""What one row asks for is its own failure; what fails for every row stops the run."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from diffusers import FluxTransformer2DModel
from PIL import Image

from dataflow.core.records import Answer, Request
from dataflow.errors import Failure
from dataflow.io.image import ImageIO
from dataflow.serving.local.faults import Faults
from dataflow.serving.local.pictures.serving import LocalServing
from dataflow.serving.local.pictures.settings import LocalSettings
from tests.kit.tiny import running, small_references

Checkpoints = Callable[[str], Path]
TOKEN = "put <|image_pad|> beside it"


def picture(path: Path, size: tuple[int, int]) -> str:
    Image.new("RGB", size, "lime").save(path)
    return str(path)


def serving(folder: Path, out: Path, **settings: object) -> LocalServing:
    given: dict[str, object] = {"steps": 1, "size": (64, 64), "device": ("cpu",), "batch_size": 4, **settings}
    return LocalServing(LocalSettings(str(folder), ImageIO(str(out)), **given))  # type: ignore[arg-type]


def reasons(answers: Sequence[Answer]) -> list[str]:
    return [str(answer.error or "") for answer in answers]


def test_a_row_that_the_pipeline_refuses_fails_by_itself_wherever_it_stands(
    checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_references(monkeypatch)
    wide, good = picture(tmp_path / "wide.png", (1093, 5)), picture(tmp_path / "good.png", (60, 40))
    asked = [Request("a", (wide,)), Request("b", (good,)), Request(TOKEN, (good,)), Request("c", (good,))]
    folder = checkpoint("qwen_image_edit")
    with running(serving(folder, tmp_path / "out", task="imageedit")) as ask:
        together = ask(*asked)
        alone = [ask(request)[0] for request in asked[2:]]
    assert [bool(answer.pictures) for answer in together] == [False, True, False, True]
    assert reasons(together)[0].startswith("the pipeline cannot take this row: ValueError: ")
    assert "<|image_pad|>" in reasons(together)[2]
    assert reasons(alone) == [reasons(together)[2], ""]
    assert {together[0].error.kind, together[0].error.retries} == {"retry", 0}


@pytest.mark.parametrize("size", [(1, 1), (2000, 1), (1, 3000)])
@pytest.mark.parametrize("family", ["flux_img2img", "flux2_klein"])
def test_a_dot_or_a_line_stops_no_other_row(
    family: str, size: tuple[int, int], checkpoint: Checkpoints, tmp_path: Path
) -> None:
    odd, good = picture(tmp_path / "odd.png", size), picture(tmp_path / "good.png", (60, 40))
    with running(serving(checkpoint(family), tmp_path / "out", task="imageedit")) as ask:
        first, second = ask(Request("a", (odd,)), Request("b", (good,)))
    assert second.pictures
    assert first.pictures or "pipeline cannot take this row" in str(first.error)


def test_a_prompt_beyond_the_positions_of_the_model_fails_by_itself(
    checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_references(monkeypatch)
    good = (picture(tmp_path / "good.png", (60, 40)),)
    with running(serving(checkpoint("qwen_image_edit"), tmp_path / "out", task="imageedit")) as ask:
        first, long, last = ask(Request("a", good), Request("a" * 4200, good), Request("b", good))
    assert [bool(answer.pictures) for answer in (first, long, last)] == [True, False, True]
    assert long.error.reason.startswith("the pipeline cannot take this row: RuntimeError: ")


def test_what_fails_for_every_row_stops_at_the_first(checkpoint: Checkpoints, tmp_path: Path) -> None:
    class Broken(FluxTransformer2DModel):
        calls = 0

        def forward(self, *_: object, **__: object) -> object:
            Broken.calls += 1
            raise TypeError("no such kernel")

    transformer = Broken.from_pretrained(checkpoint("flux") / "transformer")
    made = serving(checkpoint("flux"), tmp_path, pipe_kwargs={"transformer": transformer})
    with running(made) as ask, pytest.raises(TypeError, match="no such kernel"):
        ask(*(Request("a cat", seed=seed) for seed in range(4)))
    assert Broken.calls == 3  # of four, of one, of a plain one


def test_many_bad_rows_at_the_start_cost_few_plain_ones() -> None:
    plain: list[int] = []

    def plain_one() -> int:
        plain.append(0)
        return 0

    def halve(numbers: Sequence[int]) -> list[int]:
        if any(number % 2 for number in numbers):
            raise ValueError(f"{numbers} are\nodd")
        return [number // 2 for number in numbers]

    faults = Faults("the model", plain_one)
    made = [faults.run([number], halve)[0] for number in [1] * 40 + [8]]
    assert made[:40] == [Failure("retry", "the model cannot take this row: ValueError: [1] are odd", retries=0)] * 40
    assert made[40] == 4
    assert len(plain) == 3
    assert [each if isinstance(each, int) else "failed" for each in faults.run([2, 3, 4], halve)] == [1, "failed", 2]


def test_running_out_of_memory_blames_no_row() -> None:
    def crowded(_: Sequence[int]) -> list[int]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        Faults("the pipeline", int).run([1, 2], crowded)
