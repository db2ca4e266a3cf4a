"""The devices that a local model runs on."""

import pytest
import torch

from dataflow.errors import ConfigError
from dataflow.serving.local.devices import check_devices, describe_unused_gpus, devices_of


def test_a_setting_names_one_device_or_several_or_leaves_the_choice() -> None:
    assert devices_of("cuda:1") == ("cuda:1",)
    assert devices_of(["cuda:0", "cuda:1"]) == ("cuda:0", "cuda:1")
    assert devices_of(None) == ()


def test_the_cpu_is_always_there_as_often_as_it_is_asked_for() -> None:
    assert check_devices(("cpu", "cpu")) == ("cpu", "cpu")


def test_without_a_choice_every_gpu_is_taken_and_else_the_cpu() -> None:
    gpus = tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))
    assert check_devices(()) == (gpus or (("mps",) if torch.backends.mps.is_available() else ("cpu",)))


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("gpu", r"device='gpu' is none of torch's: use 'cuda'"),
        (
            "cuda:99",
            r"torch sees \d+ CUDA devices; (check CUDA_VISIBLE_DEVICES|torch .* is a build without CUDA: install)",
        ),
    ],
)
def test_a_device_that_is_not_there_is_named_with_the_fix(device: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        check_devices(("cpu", device))


def test_gpus_that_torch_does_not_see_are_told_where_the_model_runs_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    warning = "this machine has 2 GPUs, but torch sees none: the model runs on the CPU; "
    said = describe_unused_gpus(("cpu",))
    assert said == "" if torch.cuda.is_available() else said.startswith(warning)  # torch may see those of this machine
    assert describe_unused_gpus(("cuda:0", "cuda:1")) == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert describe_unused_gpus(("cpu",)) == ""
