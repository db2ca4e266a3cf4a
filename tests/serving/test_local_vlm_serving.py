"""Models of pictures and text from their folder to a text, through the class that users construct."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.core.loop import submit
from dataflow.core.records import Answer, Job, Request, Turn
from dataflow.errors import ConfigError
from dataflow.serving.local_vlm_serving import LocalVLMServing
from tests.kit.flow import draw, facts_of
from tests.kit.tiny import WAIT, as_jobs, running

FAMILIES = ("qwen_vl", "llava")
Checkpoints = Callable[[str], Path]


def serving(folder: Path, **settings: object) -> LocalVLMServing:
    told = {"device": "cpu", "max_new_tokens": 8, "batch_size": 16, **settings}
    return LocalVLMServing(folder, **told)  # type: ignore[arg-type]


def texts(answers: list[Answer]) -> list[str]:
    assert [answer.error for answer in answers] == [None] * len(answers)
    return [answer.text for answer in answers]


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[str, str, str]:
    sizes = {"red": (60, 40), "blue": (30, 90), "lime": (56, 56)}
    red, blue, lime = (str(draw(tmp_path / f"{colour}.png", colour, size)) for colour, size in sizes.items())
    return red, blue, lime


def asked(red: str, blue: str, lime: str) -> list[Request]:
    """One seed for all, so that only what they ask tells them apart; the last is the first once more."""
    earlier = (Turn("user", "what is this?", (lime,)), Turn("assistant", "grass"))
    told: list[tuple[str, tuple[str, ...], tuple[Turn, ...]]] = [
        ("what is it?", (red,), ()),
        ("what is it?", (blue,), ()),
        ("which of these is larger, and by how much?", (red, blue), ()),
        ("which of these is larger, and by how much?", (blue, red), ()),
        ("no picture at all", (), ()),
        ("what is it?", (red,), (Turn("system", "be brief"),)),
        ("and this?", (red,), earlier),
        ("and now?", (), earlier),
        ("what is it?", (red,), ()),
    ]
    return [Request(prompt, images, "text", turns, seed=9) for prompt, images, turns in told]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_gets_the_answer_it_gets_alone_and_every_picture_counts(
    family: str, temperature: float, text_checkpoint: Checkpoints, pictures: tuple[str, str, str]
) -> None:
    requests = asked(*pictures)
    with running(serving(text_checkpoint(family), temperature=temperature, max_new_tokens=16)) as ask:
        together = texts(ask(*requests))
        alone = [texts(ask(each))[0] for each in requests]
    assert together == alone
    assert alone[0] == alone[-1]
    if temperature:  # without chance the answers of random weights run into the same few loops
        assert len(set(alone[:-1])) == len(alone) - 1


def test_pictures_keep_their_own_size_and_count_as_they_are_read(
    text_checkpoint: Checkpoints, tmp_path: Path, pictures: tuple[str, str, str]
) -> None:
    large = str(draw(tmp_path / "large.png", "red", (112, 112)))
    with running(serving(text_checkpoint("qwen_vl"))) as ask:
        none, small, wide = ask(*(Request("what?", paths, "text") for paths in [(), pictures[2:], (large,)]))
    # Source: 28 x 28 pixels a token in Qwen2.5-VL, and one token before and after each picture.
    assert small.usage["prompt_tokens"] - none.usage["prompt_tokens"] == 2 * 2 + 2
    assert wide.usage["prompt_tokens"] - none.usage["prompt_tokens"] == 4 * 4 + 2


def test_a_picture_is_shown_with_no_more_pixels_than_told(text_checkpoint: Checkpoints, tmp_path: Path) -> None:
    large, small = (str(draw(tmp_path / f"{side}.png", "red", (2 * side, side))) for side in (112, 28))
    folder = text_checkpoint("qwen_vl")
    read = []
    for most in (None, 2 * 28 * 28):
        with running(serving(folder, max_pixels=most)) as ask:
            answers = ask(*(Request("what?", (path,), "text") for path in (large, small)))
        read.append([answer.usage["prompt_tokens"] for answer in answers])
    (free, kept), (bounded, as_before) = read
    assert (bounded, as_before) == (kept, kept), "the larger one is read as one of its size is"
    assert free > kept
    assert "max_pixels" not in serving(folder).fingerprint()
    assert serving(folder, max_pixels=784).fingerprint()["max_pixels"] == 784
    with pytest.raises(ConfigError, match="max_pixels=0 must be at least 1"):
        serving(folder, max_pixels=0)


@pytest.mark.parametrize(("family", "marker"), [("qwen_vl", "<|image_pad|>"), ("llava", "<image>")])
def test_a_picture_marker_in_a_rows_text_stays_text(
    family: str, marker: str, text_checkpoint: Checkpoints, pictures: tuple[str, str, str]
) -> None:
    with running(serving(text_checkpoint(family))) as ask:
        answers = ask(*(Request(text, pictures[:1], "text") for text in (f"what is {marker}?", "what is it?")))
    texts(answers)


def test_a_picture_that_cannot_be_read_fails_alone(
    text_checkpoint: Checkpoints, pictures: tuple[str, str, str], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(Path(pictures[0]).read_bytes()[:40])
    with running(serving(text_checkpoint("llava"))) as ask:
        fine, broken = ask(
            Request("what?", pictures[:1], "text"), Request("what?", (str(tmp_path / "broken.png"),), "text")
        )
    assert fine.error is None
    assert broken.error.kind == "retry"
    assert "broken.png" in broken.error.reason


def test_a_model_of_text_alone_is_refused_before_weights_are_loaded(text_checkpoint: Checkpoints) -> None:
    with pytest.raises(ConfigError, match="what prepares pictures"):
        serving(text_checkpoint("llama")).settle()
    with pytest.raises(ConfigError, match="is a GGUF file"):
        LocalVLMServing("model.gguf")


def test_asking_directly_takes_pictures(text_checkpoint: Checkpoints, pictures: tuple[str, str, str]) -> None:
    made = serving(text_checkpoint("qwen_vl"))
    assert made.generate("what is it?", images=pictures).text


def test_a_picture_that_was_replaced_since_its_request_was_made_is_not_looked_at(
    text_checkpoint: Checkpoints, tmp_path: Path
) -> None:
    kept, replaced = (draw(tmp_path / f"{name}.png", "red", (64, 64)) for name in ("kept", "replaced"))
    requests = [Request("what is it?", (str(path),), "text") for path in (kept, replaced)]
    jobs = [Job(job.id, job.request, (facts_of(Path(job.request.images[0])),)) for job in as_jobs(tuple(requests))]
    draw(replaced, "blue", (64, 64))
    made = serving(text_checkpoint("qwen_vl"))
    with running(made):
        first, second = submit(made.call(jobs)).result(WAIT)
    assert first.error is None
    assert str(second.error) == f"picture {replaced} changed while the step ran: run it again"
