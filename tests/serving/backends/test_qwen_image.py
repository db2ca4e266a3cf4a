"""Qwen-Image: its size, and the negative prompts that its guidance needs."""

from dataflow.serving.backends import Plan, Sample
from tests.kit.families import family


def test_a_drawing_has_the_side_that_the_model_was_trained_at_unless_another_is_asked_for() -> None:
    backend = family("QwenImagePipeline")
    assert backend.plan(None, []) == Plan((1328, 1328))
    assert backend.plan((64, 48), []) == Plan((64, 48))


def test_every_sample_of_a_batch_has_a_negative_prompt_of_its_own() -> None:
    samples = [Sample(Plan((64, 64)), prompt, (), seed=1) for prompt in ("a fox", "a house")]
    assert family("QwenImagePipeline").arguments(samples) == {"negative_prompt": [" ", " "]}
