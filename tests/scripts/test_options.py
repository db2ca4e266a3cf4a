"""Flags, arguments and the environment choose what a pipeline works with."""

from pathlib import Path

import pytest

from dataflow.scripts.options import Script, ShownColumns, choose_serving, parse_options


@pytest.mark.parametrize(
    ("flag", "address", "key", "variables", "chosen"),
    [
        ("demo", "http://x/v1", "k", {"DF_BASE_URL": "http://x/v1", "DF_API_KEY": "k"}, "demo"),
        (None, "http://x/v1", None, {}, "api"),
        (None, None, None, {"DF_BASE_URL": "http://x/v1", "DF_API_KEY": "k"}, "api"),
        (None, None, "k", {"DF_BASE_URL": "http://x/v1"}, "api"),
        (None, None, None, {"DF_BASE_URL": "http://x/v1"}, "api"),
        (None, None, None, {"DF_BASE_URL": "http://127.0.0.1:8000"}, "api"),
        (None, None, None, {"DF_BASE_URL": "http://10.0.0.3:8000/v1, http://gpu-2.lan/v1,"}, "api"),
        (None, None, None, {"DF_BASE_URL": "http://10.0.0.3:8000/v1,https://api.example.com/v1"}, "api"),
        (None, None, "k", {"DF_BASE_URL": "http://10.0.0.3:8000/v1,https://api.example.com/v1"}, "api"),
        (None, None, None, {"DF_BASE_URL": ""}, "demo"),
        (None, None, None, {"DF_API_KEY": "k"}, "demo"),
        (None, None, None, {}, "demo"),
    ],
)
def test_the_serving_follows_flag_then_address_then_environment(
    monkeypatch: pytest.MonkeyPatch, flag, address, key, variables, chosen
) -> None:
    for name in ("DF_BASE_URL", "DF_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert choose_serving(flag, address, key)[0] == chosen


def test_local_without_a_gpu_says_that_a_cpu_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    for seen in ("", "0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
        said.append(choose_serving("local", None, None)[1])
    assert said == ["--serving_type; no GPU here: a large model takes minutes a picture on a CPU", "--serving_type"]


def test_local_is_chosen_by_itself_only_if_every_model_is_a_folder_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DF_BASE_URL", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.chdir(tmp_path)
    folder = str(tmp_path)
    assert choose_serving(None, None, None, models=[folder])[0] == "local"
    assert choose_serving(None, None, None, models=[folder, "owner/not-downloaded"])[0] == "demo"
    copied = tmp_path / "ckpt/models/owner/downloaded"
    copied.mkdir(parents=True)
    (copied / ".dataflow-revision").write_text("abc")
    assert choose_serving(None, None, None, models=[folder, "owner/downloaded"])[0] == "local"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert choose_serving(None, None, None, models=[folder, "owner/downloaded"])[0] == "demo"


def test_pipelines_take_the_flag_several_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["pipeline", "--api_url", "http://a", "--api_url", "http://b,http://c"])
    options = parse_options(Script("x", "x", "x", {}, ShownColumns("", "", "")))
    assert (options.serving_type, options.api_url) == ("api", "http://a,http://b,http://c")
