"""The wheel carries everything: built, installed elsewhere, initialised, run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("dataflow_mm-*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(folder / "site"), str(wheel)], check=True, capture_output=True)
    return folder / "site"


def test_init_and_a_pipeline_run_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    known = {name: value for name, value in os.environ.items() if not name.startswith("DF_")}
    env = {**known, "PYTHONPATH": str(installed)}
    where = [sys.executable, "-c", "import dataflow; print(dataflow.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=env, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).is_relative_to(installed)

    command = [str(installed / "bin" / "dataflowmm"), "init"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [sys.executable, "image_editing_pipeline.py", "--limit", "1"],
        cwd=tmp_path / "gpu_pipelines",
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "1 row, 0 failed" in done.stdout
    assert "edited_images: " in done.stdout, "the demo's rows came along, and its model"


@pytest.mark.parametrize(("folder", "kind"), [("demo/model", ".safetensors"), ("view/page", ".html")])
def test_what_is_no_code_comes_along_whole(installed: Path, folder: str, kind: str) -> None:
    carried, there = (
        {path.relative_to(home).as_posix(): path.stat().st_size for path in within.rglob("*") if path.is_file()}
        for home, within in ((home, home / "dataflow" / folder) for home in (installed, ROOT))
    )
    assert carried == there
    assert any(name.endswith(kind) for name in carried)
