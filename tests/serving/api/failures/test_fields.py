"""Which field a refusal names as one that is not taken: by its words, and not by the request that it quotes."""

import json

import pytest

from dataflow.serving.api.failures.fields import refused_fields

SENT = {"seed", "response_format", "negative_prompt", "true_cfg_scale", "output_format", "modalities", "nvext"}
REQUEST = {
    "model": "editor",
    "prompt": "make the {sign} say 'seed'",
    "size": "512x384",
    "seed": 7,
    "response_format": "b64_json",
    "negative_prompt": " ",
    "true_cfg_scale": 4.0,
    "output_format": "png",
    "mask_image": "mask.png",
    "modalities": ["image"],
    "nvext": {"seed": 7},
}
QUOTED = json.dumps(REQUEST)
PAIRS = ", ".join(f"{name}={value!r}" for name, value in REQUEST.items())


def error(message: str, **more: object) -> bytes:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", **more}}).encode()


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b"Unknown parameter: 'seed'.", {"seed"}),
        (b'{"loc": ["body", "response_format"]}', {"response_format"}),
        (b"model seedream-4 takes no response_format_x", set()),
        (b"this model draws in one way", set()),
        (error("Unrecognized request argument supplied: seed"), {"seed"}),
        (
            error("Unsupported parameters: 'seed', 'output_format' are not taken"),
            {"seed", "output_format"},
        ),
        (error("Additional properties are not allowed ('seed' was unexpected)"), {"seed"}),
        (error("seed is not supported", param=None), {"seed"}),
        (
            error("Invalid value: 'b64_json'. Supported: 'url'.", param="response_format"),
            {"response_format"},
        ),
        (
            error("Error", metadata={"raw": error('Unknown name "seed": Cannot find field.').decode()}),
            {"seed"},
        ),
        (error("Error code: 400 - {'error': {'message': \"Unknown parameter: 'seed'.\", 'param': 'seed'}}"), {"seed"}),
        (error("Unknown field seed. Supported fields: prompt, size, output_format"), {"seed"}),
        (
            error("unknown field `true_cfg_scale`, expected one of `prompt`, `seed`"),
            {"true_cfg_scale"},
        ),
        (error("Unsupported field `seed`: engine options belong into `nvext`."), {"seed"}),
    ],
)
def test_a_refusal_drops_the_field_that_it_names(body: bytes, refused: set[str]) -> None:
    assert refused_fields(400, body, SENT) == refused


@pytest.mark.parametrize("quote", [QUOTED, repr(REQUEST), PAIRS, QUOTED[:-30]], ids=["json", "python", "pairs", "cut"])
@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ("unknown field 'frobnicate' in {}", set()),
        ("unknown field frobnicate in {}", set()),
        ("the server could not draw {}", set()),
        ("the picture is too large. Request: {}", set()),
        ("seed is not supported: {}", {"seed"}),
        ("Unsupported parameter: 'true_cfg_scale' in {}", {"true_cfg_scale"}),
    ],
)
@pytest.mark.parametrize("form", [str.encode, error], ids=["text", "json"])
def test_a_request_that_is_quoted_names_nothing(words: str, quote: str, refused: set[str], form) -> None:
    assert refused_fields(400, form(words.format(quote)), SENT) == refused


def test_what_is_wrong_with_a_place_is_said_of_that_place_alone() -> None:
    wrong = {"type": "extra_forbidden", "loc": ["body", "style"], "msg": "Extra inputs are not permitted"}
    assert refused_fields(422, json.dumps({"detail": [{**wrong, "input": REQUEST}]}).encode(), SENT) == set()
    assert refused_fields(400, error(str([{**wrong, "loc": ("body", "seed"), "input": REQUEST}])), SENT) == {"seed"}


@pytest.mark.parametrize("status", [200, 404, 500])
def test_only_a_refusal_of_the_request_names_a_field(status: int) -> None:
    assert refused_fields(status, b"Unknown parameter: 'seed'.", SENT) == set()
