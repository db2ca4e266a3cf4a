import subprocess
import sys

import pytest

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


def test_importing_and_making_one_loads_no_client():
    code = (
        "import sys; from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai as A; A(model_name='m');"
        "print([m for m in ('openai', 'httpx2', 'torch', 'PIL', 'pandas', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
