import subprocess
import sys

import pytest

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai


@pytest.mark.parametrize(
    "options",
    [
        {"api_format": "soap"},
        {"max_workers": 0},
        {"requests_per_minute": 0},
        {"timeout": 0},
        {"extra_body": {"a": object()}},
    ],
)
def test_settings_that_cannot_be_right_are_refused_at_once(options):
    with pytest.raises(ConfigError):
        APIVLMServing_openai("http://localhost", model_name="nano", **options)


def test_the_callers_extra_body_may_change_later():
    config: dict[str, JSON] = {"size": "1K"}
    extra: dict[str, JSON] = {"image_config": config}
    serving = APIVLMServing_openai("http://localhost", model_name="nano", extra_body=extra)
    config["size"] = "4K"
    assert serving.fingerprint()["extra_body"] == {"image_config": {"size": "1K"}}


@pytest.mark.parametrize(("n", "images"), [(4, 4), ("4", 4), (True, 1), ("all", 1), ("1e999", 1), (None, 1)])
def test_how_many_answers_are_asked_for_is_read_of_a_text_too_and_reserved(n: JSON, images: int):
    asked = {"n": n, "max_tokens": "100"}
    serving = APIVLMServing_openai("http://localhost", model_name="nano", extra_body=asked)
    assert (serving.billing().images, serving.billing().most_output) == (images, 100)


def test_importing_and_making_one_loads_no_client():
    code = (
        "import sys; from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai as A; A(model_name='m');"
        "print([m for m in ('openai', 'httpx2', 'torch', 'PIL', 'pandas', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
