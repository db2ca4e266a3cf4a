"""The settings of a serving over HTTP: what is refused, and how many requests are in flight."""

import math

import pytest

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.io import ImageIO
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.api_image_gen_serving import APIImageGenServing
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.dialects.chat import CHAT


def test_the_width_is_that_of_each_replica(monkeypatch):
    serving = APIImageGenServing("http://a,http://b,http://c", ImageIO("x"), batch_size=5, model_name="flux")
    serving.rehearse()
    assert (serving.limits.width, serving.batching.groups) == (15, True)
    assert repr(serving) == "APIImageGenServing(model 'flux' at a and 2 more)"
    assert str(serving) == "flux at a and 2 more"
    assert (serving.limits.width_at_first, serving.settings.patience) == (15, math.inf)


@pytest.mark.parametrize(
    ("addresses", "widths", "patience"),
    [
        ("http://a,http://b,http://c", (48, 12), 200),
        ("http://10.0.0.7:8000", (256, 4), 200),
        ("https://api.example.com", (256, 16), 200),
    ],
)
def test_an_engine_of_ones_own_begins_with_few(addresses, widths, patience):
    serving = APIImageGenServing(addresses, ImageIO("x"), model_name="flux", api_key="key")
    serving.rehearse()
    assert (serving.limits.width, serving.limits.width_at_first) == widths
    assert serving.settings.patience == pytest.approx(patience)


def test_a_number_that_was_named_is_meant():
    serving = APIImageGenServing("http://10.0.0.7:8000", ImageIO("x"), model_name="flux", batch_size=100)
    serving.rehearse()
    assert (serving.limits.width, serving.limits.width_at_first, serving.settings.patience) == (100, 64, math.inf)


def test_the_callers_extra_body_may_change_later():
    config: dict[str, JSON] = {"size": "1K"}
    extra: dict[str, JSON] = {"image_config": config}
    serving = APIVLMServing_openai("http://localhost", model_name="nano", extra_body=extra)
    config["size"] = "4K"
    assert serving.fingerprint()["extra_body"] == {"image_config": {"size": "1K"}}


def settings(**options):
    return ApiSettings("http://10.0.0.1", "flux", None, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dialect": "soap"}, "api_format='soap': use one of chat, images"),
        ({"task": "paint"}, "Image_gen_task='paint'"),
        ({"width": 0}, "must be positive"),
        ({"requests_per_minute": 0.0}, "must be positive"),
        ({"timeout": 0.0}, "must be positive"),
        ({"connect_timeout": -1.0}, "must be positive"),
        ({"sampling": {"temperature": float("nan")}}, "temperature=nan must be a finite number"),
        ({"extra_body": {"a": object()}}, "extra_body must be plain JSON"),
        ({"extra_body": {"a": float("inf")}}, "extra_body must be plain JSON"),
        ({"picture_hosts": ["http://h"]}, "picture_hosts"),
        ({"key_name": "sk-1234567890abcdef"}, "is the NAME of the environment variable"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused_in_words_that_name_it(options, words):
    with pytest.raises(ConfigError, match=words) as caught:
        settings(**options)
    assert "sk-1234" not in str(caught.value)


def test_several_addresses_become_one_text_and_what_is_not_given_is_left_out():
    made = ApiSettings(["http://a", "http://b"], "flux", None, sampling={"temperature": 0.5, "max_tokens": None})
    assert (made.address, made.sampling) == ("http://a,http://b", {"temperature": 0.5})


@pytest.mark.parametrize(
    ("width", "engines", "widths"),
    [
        (None, 0, (256, 16)),
        (None, 1, (256, 4)),
        (None, 3, (48, 12)),
        (5, 0, (5, 5)),
        (100, 1, (100, 64)),
        (5, 3, (15, 15)),
    ],
)
def test_the_width_depends_on_who_is_behind_the_addresses(width, engines, widths):
    assert settings(width=width).widths(engines) == widths


def test_a_dialect_of_ones_own_is_a_format():
    assert settings(dialect=CHAT).dialect is CHAT


def test_the_key_is_in_no_repr():
    assert "canary" not in repr(settings(key="sk-canary"))
