"""Prompts are encoded once each, by themselves and ahead, and no picture knows it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from PIL import Image

from dataflow.core.records import Answer, Request
from dataflow.core.worker import Limits
from dataflow.models.checkpoint import read_checkpoint
from dataflow.pools.executor import LocalExecutor, call_directly
from dataflow.serving.backends import Join, backend_of
from dataflow.serving.local.pictures.placing import Way, place_in
from dataflow.serving.local.pictures.prompts import PromptFailed, Prompts
from tests.kit.crowded import Crowded, counting
from tests.kit.pipelines import loaded, serving
from tests.kit.tiny import running

Checkpoints = Callable[[str], Path]
FAMILIES = (
    *("flux", "flux_schnell", "flux_kontext", "flux2", "flux2_klein", "flux2_klein_base", "flux2_klein_kv"),
    *("qwen_image", "z_image", "z_image_base"),
)
LONG = "两只狗 on a beach, at dusk, far away"
TOLD: dict[str, dict[str, Any]] = {
    "flux_kontext": {"max_area": 64 * 64, "_auto_resize": False},
    "qwen_image": {"true_cfg_scale": 4.0},
    "flux2_klein": {"guidance_scale": 1.0},
    "z_image": {"guidance_scale": 0.0},
}


def joins(folder: Path) -> tuple[Join, ...]:
    return backend_of(read_checkpoint(folder)).encoded


def remembering(
    folder: Path, *, ahead: bool = False, together: bool = False, most_bytes: int = 1 << 20, **parts: Any
) -> tuple[Any, Prompts]:
    pipeline = loaded(folder, **parts)
    prompts = Prompts(pipeline, joins(folder), ahead=ahead, together=together, most_bytes=most_bytes)
    prompts.take_over()
    return pipeline, prompts


def drawn(pipeline: Any, *prompts: str, **arguments: Any) -> numpy.ndarray:
    noise = [torch.Generator().manual_seed(number) for number in range(len(prompts))]
    arguments = {"height": 64, "width": 64, "num_inference_steps": 2, "output_type": "np", **arguments}
    made: numpy.ndarray = pipeline(prompt=list(prompts), generator=noise, **arguments).images
    return made


@pytest.mark.parametrize("family", FAMILIES)
def test_a_picture_is_the_same_bit_for_bit_and_in_a_batch_but_for_rounding(
    family: str, checkpoint: Checkpoints
) -> None:
    folder = checkpoint(family)
    plain, arguments = loaded(folder), TOLD.get(family, {})
    ours, _ = remembering(folder)

    def negative(count: int) -> dict[str, Any]:
        return {"negative_prompt": [" "] * count} if family == "qwen_image" else {}

    calls: list[int] = []
    encoder = getattr(ours, "text_encoder_2", None) or ours.text_encoder
    encoder.register_forward_hook(lambda *_: calls.append(1))
    for prompt in ("a cat", LONG, "a cat"):
        assert numpy.array_equal(
            drawn(plain, prompt, **arguments, **negative(1)), drawn(ours, prompt, **arguments, **negative(1))
        )
    negatives = {"qwen_image": 1, "flux2_klein_base": 1, "z_image_base": 2}.get(family, 0)
    assert len(calls) == 2 + negatives
    mixed = ("a cat", LONG, "a cat", "b")
    together = drawn(plain, *mixed, **arguments, **negative(4)), drawn(ours, *mixed, **arguments, **negative(4))
    assert abs(together[0] - together[1]).max() < 1 / 255
    assert len(calls) == 3 + negatives + (family == "z_image_base")


@pytest.mark.parametrize("family", FAMILIES)
def test_together_the_prompts_of_a_call_are_encoded_as_the_pipeline_would(family: str, checkpoint: Checkpoints) -> None:
    plain, arguments = loaded(checkpoint(family)), TOLD.get(family, {})
    ours, _ = remembering(checkpoint(family), together=True)
    calls: list[int] = []
    encoder = getattr(ours, "text_encoder_2", None) or ours.text_encoder
    encoder.register_forward_hook(lambda *_: calls.append(1))
    apart = family == "qwen_image"  # whose encodings of several prompts cannot be distinguished
    known = 0
    for prompts in (("a cat", LONG, "b"), ("b", "a cat")):
        made = drawn(plain, *prompts, **arguments), drawn(ours, *prompts, **arguments)
        assert abs(made[0] - made[1]).max() < 1 / 255
        assert apart or known or numpy.array_equal(*made)
        known = known or len(calls)
    assert known == (3 if apart else 1 + (family in ("flux2_klein_base", "z_image_base")))
    assert len(calls) == known


def test_every_distinct_prompt_of_a_step_is_encoded_once(checkpoint: Checkpoints, tmp_path: Path) -> None:
    encoder = counting(checkpoint("flux"))
    asked = [Request(("a cat", "a dog")[number % 2], seed=number) for number in range(8)]
    with running(serving(checkpoint("flux"), tmp_path, pipe_kwargs={"text_encoder_2": encoder})) as ask:
        answers = ask(*asked)
    assert len({answer.pictures[0].sha256 for answer in answers}) == 8
    assert encoder.calls == [2]


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt_2": "at night"},
        {"max_sequence_length": 16},
        {"negative_prompt": "blurred", "true_cfg_scale": 4.0},
        {"negative_prompt": "blurred", "negative_prompt_2": "dark", "true_cfg_scale": 4.0},
        {"joint_attention_kwargs": {"scale": 0.5}},
    ],
    ids=lambda arguments: "+".join(arguments),
)
def test_arguments_of_the_users_keep_their_meaning(arguments: dict[str, Any], checkpoint: Checkpoints) -> None:
    plain, (ours, prompts) = loaded(checkpoint("flux")), remembering(checkpoint("flux"), ahead=True)
    other = drawn(ours, LONG)
    prompts.expect([LONG, "b"])
    for _ in range(2):
        made = drawn(ours, LONG, **arguments)
        assert numpy.array_equal(drawn(plain, LONG, **arguments), made)
    assert numpy.array_equal(made, other) == ("joint_attention_kwargs" in arguments)
    assert numpy.array_equal(drawn(ours, LONG), other)


def test_embeddings_that_the_user_gives_are_left_to_the_pipeline(checkpoint: Checkpoints) -> None:
    pipeline, _ = remembering(checkpoint("z_image"))
    given, _ = pipeline.encode_prompt("a cat", do_classifier_free_guidance=False)
    arguments = {"guidance_scale": 0.0, "prompt_embeds": given}
    assert numpy.array_equal(drawn(pipeline, "a dog", **arguments), drawn(pipeline, "a cat", guidance_scale=0.0))


def test_prompts_that_are_expected_are_encoded_with_the_first_that_is_not_known(checkpoint: Checkpoints) -> None:
    encoder = counting(checkpoint("flux"))
    pipeline, prompts = remembering(checkpoint("flux"), ahead=True, text_encoder_2=encoder)
    expected = [drawn(loaded(checkpoint("flux")), prompt) for prompt in ("a", "b", "c")]
    prompts.expect(["a", "b", "c", "a"])
    made = [drawn(pipeline, "a")]
    assert encoder.calls == [1, 1, 1]
    made += [drawn(pipeline, prompt) for prompt in ("b", "c")]
    assert encoder.calls == [1, 1, 1]
    assert all(numpy.array_equal(one, other) for one, other in zip(made, expected, strict=True))
    drawn(pipeline, "d")
    assert len(encoder.calls) == 4


def test_no_more_is_encoded_ahead_than_stays_until_it_is_used(checkpoint: Checkpoints) -> None:
    encoder = counting(checkpoint("flux"))
    size = 4 * (512 * 16 + 16 + 512 * 3)  # bytes: T5's, CLIP's, positions
    pipeline, prompts = remembering(checkpoint("flux"), ahead=True, most_bytes=4 * size, text_encoder_2=encoder)
    names = "abcdefgh"
    prompts.expect(names)
    seen = []
    for name in names:
        drawn(pipeline, name)
        seen.append(len(encoder.calls))
    assert seen == [3, 3, 3, 6, 6, 6, 8, 8]


def test_running_out_of_memory_ahead_costs_no_picture(checkpoint: Checkpoints) -> None:
    encoder = counting(checkpoint("flux"))
    encoder.room = 2
    pipeline, prompts = remembering(checkpoint("flux"), ahead=True, text_encoder_2=encoder)
    prompts.expect("abc")
    drawn(pipeline, "a")
    drawn(pipeline, "b")
    with pytest.raises(torch.OutOfMemoryError):
        drawn(pipeline, "c")
    encoder.room = 1000
    drawn(pipeline, "c")
    assert len(encoder.calls) == 3


def test_a_prompt_that_cannot_be_encoded_fails_its_row_only(checkpoint: Checkpoints, tmp_path: Path) -> None:
    folder = checkpoint("flux")
    encoder = counting(folder)
    encoder.refused = FluxPipeline.from_pretrained(folder).tokenizer_2("~").input_ids[1]
    arguments: dict[str, Any] = {"pipe_kwargs": {"text_encoder_2": encoder}, "batch_size": 8}
    asked = [Request(prompt, seed=3) for prompt in ("a", "b ~", "c", "d\ud800", "e")]
    with running(serving(folder, tmp_path / "some", **arguments)) as ask:
        answers = ask(*asked)
        (alone,) = ask(asked[1])
    with running(serving(folder, tmp_path / "whole")) as ask:
        whole = ask(*(asked[at] for at in (0, 2, 4)))
    assert [answer.error.kind for answer in answers[1::2]] == ["retry"] * 2
    assert "'b ~' cannot be encoded: IndexError" in str(answers[1].error)
    assert "surrogates not allowed" in str(answers[3].error)
    assert alone.error.kind == "retry"
    for one, other in zip(answers[::2], whole, strict=True):
        assert abs(pixels(one) - pixels(other)).max() <= 1


def test_one_that_fails_ahead_fails_when_its_turn_comes(checkpoint: Checkpoints) -> None:
    pipeline, prompts = remembering(checkpoint("flux"), ahead=True)
    prompts.expect(["a", "b\ud800", "c"])
    drawn(pipeline, "a")
    drawn(pipeline, "c")
    with pytest.raises(PromptFailed, match="cannot be encoded"):
        drawn(pipeline, "b\ud800")


def pixels(answer: Answer) -> numpy.ndarray:
    assert answer.error is None, answer.error
    return numpy.asarray(Image.open(answer.pictures[0].path)).astype(int)


@pytest.mark.parametrize("way", ["part by part", "layer by layer"])
def test_the_ways_of_diffusers_take_what_is_remembered(way: Way, checkpoint: Checkpoints) -> None:
    encoder = counting(checkpoint("flux"))
    pipeline, plain = (loaded(checkpoint("flux"), **parts) for parts in ({"text_encoder_2": encoder}, {}))
    assert place_in(pipeline, "cpu", way, {}, 0) == way
    prompts = Prompts(pipeline, joins(checkpoint("flux")), ahead=True)
    prompts.take_over()
    prompts.expect(["a", "b"])
    for prompt in ("a", "b", "a"):
        assert abs(drawn(pipeline, prompt) - drawn(plain, prompt)).max() < 1e-5
    assert encoder.calls == [1, 1]


def test_what_encodes_in_another_way_is_left_alone(checkpoint: Checkpoints, caplog: pytest.LogCaptureFixture) -> None:
    plain = loaded(checkpoint("flux"))
    ours = loaded(checkpoint("flux"))
    Prompts(ours, ("rows", "rows")).take_over()  # as if the library had changed
    for prompt in ("a cat", "a dog"):
        assert numpy.array_equal(drawn(ours, prompt), drawn(plain, prompt))
    assert [record.message for record in caplog.records if record.name.startswith("dataflow")] == [
        "FluxPipeline encodes prompts in another way than is known here: they are not remembered"
    ]


def test_a_pipeline_that_is_released_has_its_own_method_back(checkpoint: Checkpoints) -> None:
    pipeline, prompts = remembering(checkpoint("flux"))
    assert "encode_prompt" in vars(pipeline)
    prompts.free()
    assert "encode_prompt" not in vars(pipeline)


def test_running_out_of_memory_for_a_prompt_is_that_of_its_picture(checkpoint: Checkpoints, tmp_path: Path) -> None:
    encoder = counting(checkpoint("flux"))
    encoder.room = 1
    with running(serving(checkpoint("flux"), tmp_path, pipe_kwargs={"text_encoder_2": encoder}, batch_size=1)) as ask:
        answers = ask(Request("a"), Request("b"), Request("a", repeat=1))
    assert [answer.error is None for answer in answers] == [True, False, True]
    assert "out of memory for one picture" in str(answers[1].error)


@pytest.mark.parametrize("preset", ["exact", "turbo"])
def test_on_a_crowded_card_one_visit_of_the_encoders_serves_all_calls_in_hand(
    preset: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder, events = checkpoint("flux"), list[str]()
    encoder = counting(folder)
    at_home = [weight.data_ptr() for weight in encoder.parameters()]

    def where() -> str:
        return "away" if [weight.data_ptr() for weight in encoder.parameters()] == at_home else "here"

    class Noting(FluxTransformer2DModel):
        def forward(self, *args: Any, **more: Any) -> Any:
            events.append(where())
            return super().forward(*args, **more)

    encoder.register_forward_hook(lambda *_: events.append(where()))
    parts = {"text_encoder_2": encoder, "transformer": Noting.from_pretrained(folder / "transformer")}
    arguments: dict[str, Any] = {"batch_size": 1, "preset": preset}
    worker = serving(folder, tmp_path / "a", Crowded, pipe_kwargs=parts, **arguments)
    worker.limits, worker.batching = Limits(width=6), replace(worker.batching, ahead=5)
    asked = [Request(f"cat {number}", seed=number) for number in range(6)]
    executor = LocalExecutor()
    answers = call_directly(worker, asked, executor=executor)
    executor.close()
    with running(serving(folder, tmp_path / "b", **arguments)) as ask:
        for answer, request in zip(answers, asked, strict=True):
            assert abs(pixels(answer) - pixels(ask(request)[0])).max() <= 1
    assert events == ["here"] * 6 + ["away"] * 12  # two steps a picture
