"""Which speedups a preset pulls, decided without weights."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.io.image import ImageIO
from dataflow.pools.machine import Machine
from dataflow.serving.local.pictures.presets import Speedups, StepCache, add_lossless, choose_lossy, machine_of
from dataflow.serving.local.pictures.serving import LocalServing
from dataflow.serving.local.pictures.settings import LocalSettings
from dataflow.serving.local_image_gen_serving import LocalImageGenServing

H100, A100, T4, V100 = (Machine("cuda", capability) for capability in ((9, 0), (8, 0), (7, 5), (6, 1)))
CPU, MPS, ROCM = Machine("cpu"), Machine("mps"), Machine("rocm")

Installs = Callable[..., None]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installs:
    """Only these distributions are found from now on, at these versions, and these modules besides."""

    def only(*modules: str, **versions: str) -> None:
        place = tmp_path / "site"
        for name, version in versions.items():
            info = place / f"{name}-{version}.dist-info"
            info.mkdir(parents=True)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        for name in modules:
            (place / name).mkdir(parents=True)
            (place / name / "__init__.py").touch()
        monkeypatch.setattr(sys, "path", [str(place)])

    return only


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_with_hardware_and_libraries_every_speedup_is_applied_in_silence(
    installed: Installs, caplog: pytest.LogCaptureFixture
) -> None:
    installed("triton", torchao="0.18.0", cache_dit="1.5.3")
    turbo = add_lossless(choose_lossy("turbo", H100, None, ()), H100, None, ())
    assert turbo == Speedups("turbo", fp8=True, cache=StepCache(), attention="_native_cudnn", compiled=True)
    assert turbo.marks() == {"fp8": 1.0, "step_cache": 1.0}
    assert choose_lossy("fast", H100, "bfloat16", ()).marks() == {"fp8": 1.0}
    assert add_lossless(Speedups(), H100, None, ()) == Speedups(attention="_native_cudnn", compiled=True)
    assert warnings(caplog) == []


@pytest.mark.parametrize("machine", [H100, A100, T4, CPU, MPS, ROCM])
def test_exact_changes_no_id_on_any_machine(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    speedups = choose_lossy("exact", machine, None, ())
    assert (speedups.identity(), speedups.marks()) == ({}, {})
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("machine", "dtype", "given", "said"),
    [
        (CPU, None, (), "cpu; it needs an NVIDIA GPU of compute capability 8.9"),
        (MPS, None, (), "mps; it needs"),
        (ROCM, None, (), "rocm; it needs"),
        (A100, None, (), "compute capability 8.0; it needs"),
        (H100, "float16", (), "not 'float16'"),
        (H100, None, ("quantization_config",), "pipe_kwargs has quantization_config"),
    ],
)
def test_fp8_is_left_out_with_one_warning_where_it_cannot_be(
    machine: Machine,
    dtype: str | None,
    given: tuple[str, ...],
    said: str,
    installed: Installs,
    caplog: pytest.LogCaptureFixture,
) -> None:
    installed(torchao="0.18.0")
    speedups = choose_lossy("fast", machine, dtype, given)
    assert not speedups.fp8
    (warning,) = warnings(caplog)
    assert said in warning
    assert speedups.identity() == {"preset": "fast", "levers": {}}


@pytest.mark.parametrize(("versions", "said"), [({}, "is not installed"), ({"torchao": "0.14.1"}, "older than 0.15")])
def test_a_library_that_is_missing_or_too_old_is_named_with_the_fix(
    versions: dict[str, str], said: str, installed: Installs, caplog: pytest.LogCaptureFixture
) -> None:
    installed(cache_dit="1.5.3", **versions)
    assert choose_lossy("turbo", H100, None, ()) == Speedups("turbo", cache=StepCache())
    (warning,) = warnings(caplog)
    assert said in warning
    assert "dataflow-mm[speed]" in warning


def test_turbo_without_its_cache_computes_every_step(installed: Installs, caplog: pytest.LogCaptureFixture) -> None:
    installed(torchao="0.18.0", cache_dit="1.4.0")
    assert choose_lossy("turbo", H100, None, ()) == Speedups("turbo", fp8=True)
    (warning,) = warnings(caplog)
    assert "cache-dit 1.4.0 is older than 1.5" in warning


@pytest.mark.parametrize(
    ("machine", "modules", "speedups", "said"),
    [
        (T4, ("triton",), Speedups(compiled=True), ["no cuDNN attention (compute capability 7.5)"]),
        (ROCM, ("triton",), Speedups(compiled=True), ["no cuDNN attention (rocm)"]),
        (A100, (), Speedups(attention="_native_cudnn"), ["triton is not installed"]),
        (V100, ("triton",), Speedups(), ["no cuDNN attention", "7.0 is needed"]),
        (MPS, (), Speedups(), []),
        (CPU, (), Speedups(), []),
    ],
)
def test_what_a_gpu_lacks_is_left_out_with_one_warning_each(
    machine: Machine,
    modules: tuple[str, ...],
    speedups: Speedups,
    said: list[str],
    installed: Installs,
    caplog: pytest.LogCaptureFixture,
) -> None:
    installed(*modules)
    assert add_lossless(Speedups(), machine, None, ()) == speedups
    found = warnings(caplog)
    assert len(found) == len(said)
    assert all(part in one for part, one in zip(said, found, strict=True))


def test_the_users_own_choices_are_left_alone(
    installed: Installs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    installed("triton")
    assert add_lossless(Speedups(), H100, None, ("device_map",)) == Speedups()
    assert add_lossless(Speedups(), H100, "float32", ()) == Speedups(compiled=True)
    monkeypatch.setenv("DIFFUSERS_ATTN_BACKEND", "flash")
    assert add_lossless(Speedups(), H100, None, ()) == Speedups(compiled=True)
    assert warnings(caplog) == []


def test_how_many_pictures_share_a_call() -> None:
    turbo = Speedups("turbo", cache=StepCache())
    fast, small = Speedups("fast", fp8=True), (512, 512)
    assert [Speedups().pictures_per_call(None, machine, None) for machine in (H100, MPS, CPU)] == [1, 1, 4]
    assert [Speedups().pictures_per_call(8, machine, small) for machine in (H100, MPS, CPU)] == [8, 8, 8]
    assert [fast.pictures_per_call(asked, H100, None) for asked in (None, 2, 16)] == [4, 2, 16]
    assert [fast.pictures_per_call(None, H100, size) for size in (small, (2048, 2048))] == [16, 1]
    assert [Speedups("fast").pictures_per_call(None, machine, small) for machine in (MPS, CPU)] == [4, 4]
    assert [turbo.pictures_per_call(asked, machine, small) for asked in (None, 8) for machine in (H100, CPU)] == [1] * 4


def test_the_least_able_device_decides() -> None:
    assert machine_of(("cpu",)) == CPU
    assert machine_of(("cpu", "cpu")) == CPU


def test_speedups_in_effect_are_in_every_id(installed: Installs) -> None:
    installed(torchao="0.18.0", cache_dit="1.5.3")
    kinds = [
        Speedups(),
        *(choose_lossy(preset, machine, None, ()) for preset in ("fast", "turbo") for machine in (A100, H100)),
    ]
    identities = [str(speedups.identity()) for speedups in kinds]
    assert len(set(identities)) == 5


def test_an_unknown_preset_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="use 'exact', 'fast' or 'turbo'"):
        LocalImageGenServing(ImageIO(str(tmp_path)), hf_model_name_or_path="a/b", preset="quick")  # type: ignore[arg-type]


def test_the_fingerprint_of_exact_is_that_of_a_serving_without_a_preset(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """The keys of version 0.1: an id that changes would draw a user's whole cache again."""
    settings = LocalSettings(str(checkpoint("flux")), ImageIO(str(tmp_path)), steps=2, size=(64, 64), seed=3)
    fingerprint = LocalServing(settings).fingerprint()
    assert list(fingerprint) == ["weights", "task", "steps", "size", "seed"]
