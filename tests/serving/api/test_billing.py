"""Under which name a serving's answers are priced, and what bounds their cost."""

from pathlib import Path

import pytest

from dataflow.core.records import JSON
from dataflow.io import ImageIO
from dataflow.serving.api.billing import billing_of
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai


def test_half_the_price_is_told_and_nothing_of_it_is_in_an_id(tmp_path: Path) -> None:
    images = ImageIO(str(tmp_path))
    alone = APIVLMServing_openai("http://127.0.0.1:1", model_name="m", image_io=images)
    batched = APIVLMServing_openai("http://127.0.0.1:1", model_name="m", image_io=images, batch=True)
    assert (alone.billing().share, batched.billing().share) == (1.0, 0.5)
    assert alone.fingerprint() == batched.fingerprint()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"sampling": {"max_tokens": 500}}, (500, 1)),
        ({"sampling": {"max_tokens": 500}, "extra_body": {"max_completion_tokens": 90, "n": 3}}, (90, 3)),
        ({"extra_body": {"generationConfig": {"maxOutputTokens": 70}}, "dialect": "gemini"}, (70, 1)),
        ({"extra_body": {"generationConfig": {"candidateCount": 4}}, "dialect": "gemini"}, (None, 4)),
        ({"sampling": {"max_tokens": 500}, "dialect": "images"}, (None, 1)),
        ({}, (None, 1)),
    ],
)
def test_the_users_own_bounds_are_used(options: dict[str, object], expected: tuple[int | None, int]) -> None:
    billing = billing_of(ApiSettings("http://127.0.0.1:1/v1", "m", None, **options))  # type: ignore[arg-type]
    assert (billing.model, billing.most_output, billing.images) == ("m", *expected)


def test_the_users_own_fields_are_known_to_go_in() -> None:
    own = {"tools": [{"name": "é" * 10}], "image": ["data:image/png;base64,AAAA"], "top_k": 20}
    billing = billing_of(ApiSettings("http://127.0.0.1:1/v1", "m", None, extra_body=own))  # type: ignore[arg-type]
    assert (billing.texts, billing.pictures) == (len("toolsnameimagetop_k20") + 20, 1)


@pytest.mark.parametrize(("n", "images"), [(4, 4), ("4", 4), (True, 1), ("all", 1), ("1e999", 1), (None, 1)])
def test_how_many_answers_are_asked_for_is_read_of_a_text_too_and_reserved(n: JSON, images: int):
    asked = {"n": n, "max_tokens": "100"}
    serving = APIVLMServing_openai("http://localhost", model_name="nano", extra_body=asked)
    assert (serving.billing().images, serving.billing().most_output) == (images, 100)
