"""The same few numbers, under the names of every API."""

import pytest

from dataflow.core.records import JSON
from dataflow.money.usage import Used, read_used
from dataflow.serving.dialects.reply import read_usage


@pytest.mark.parametrize(
    ("usage", "used"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, Used(10, output=5, counted=True)),
        (
            {"input_tokens": 50, "output_tokens": 4, "input_tokens_details.image_tokens": 40, "total_tokens": 54},
            Used(50, image_input=40, output=4, counted=True),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1300, "prompt_tokens_details.cached_tokens": 8,
             "completion_tokens_details.image_tokens": 1290, "cost": 0.039},
            Used(9, 8, output=1300, image_output=1290, cost=0.039, counted=True),
        ),
        (
            {"promptTokenCount": 7, "candidatesTokenCount": 20, "thoughtsTokenCount": 30, "totalTokenCount": 57,
             "candidatesTokensDetails.IMAGE": 18, "cachedContentTokenCount": 2},
            Used(7, 2, output=50, image_output=18, counted=True),
        ),
        ({"prompt_tokens": 7, "completion_tokens": 20, "total_tokens": 57}, Used(7, output=50, counted=True)),
        ({"cost": 0.5}, Used(cost=0.5)),
        ({"images": 1.0, "asked_width": 64.0}, Used()),
        ({}, Used()),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, Used()),
        ({"prompt_tokens": 7, "completion_tokens": 1e300, "cost": 0.5}, Used(cost=0.5)),
        ({"input_tokens": 10**15}, Used()),
        ({"prompt_tokens": -1, "completion_tokens": 3}, Used(0, output=3, counted=True)),
        ({"prompt_tokens": 5, "prompt_tokens_details.cached_tokens": 9}, Used(5, 5, counted=True)),
    ],
)  # fmt: skip
def test_usage_is_read_whatever_its_names(usage: dict[str, float], used: Used) -> None:
    assert read_used(usage) == used


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.03873}}, 0.03873),
        ({"cost": 0.002, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.04}}, 0.042),
        ({"cost": 0.0034, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.0034}}, 0.0034),
        ({"cost": 0.0034, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.0051}}, 0.0034),
        ({"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}}, 19.95),  # whose key it was is not said
        ({"cost": 0.0048, "cost_details": {"upstream_inference_cost": 0.0048}}, 0.0048),
        ({"cost": 0.0048, "cost_details": {"upstream_inference_cost": None}}, 0.0048),
        ({"cost": None, "cost_details": {"upstream_inference_cost": 0.04}}, 0.04),
        ({"cost": 0.002, "is_byok": True}, None),  # the provider's bill is not known
        ({"cost": 0.0, "is_byok": False}, 0.0),
    ],
)
def test_the_bill_of_the_users_own_provider_key_is_part_of_the_cost(usage: JSON, cost: float | None) -> None:
    assert read_used(read_usage(usage)).cost == cost
