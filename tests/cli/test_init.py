from pathlib import Path

import pytest

from dataflow.cli.init import init
from dataflow.cli.main import main

ROOT = Path(__file__).parent.parent.parent


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_init_copies_pipelines_and_data_without_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert "gpu_pipelines/image_editing_pipeline.py" in files(tmp_path)
    assert "example_data/image_gen/image_edit/prompts.jsonl" in files(tmp_path)
    said = capsys.readouterr().out
    assert "files copied" in said
    pipeline = said.splitlines()[-1].removeprefix("Next: python ").split()[0]
    assert Path(pipeline).is_file(), "the command is to be run where init was"


def test_a_second_init_copies_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    capsys.readouterr()
    init(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert "0 files copied" in capsys.readouterr().out


def test_a_file_that_differs_is_kept_unless_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(tmp_path)
    mine = tmp_path / "gpu_pipelines" / "image_editing_pipeline.py"
    mine.write_text("# mine\n")
    init(tmp_path)
    assert mine.read_text() == "# mine\n"
    said = capsys.readouterr().out
    assert "1 kept because it differs" in said
    assert "kept gpu_pipelines/image_editing_pipeline.py" in said
    init(tmp_path, force=True)
    assert "gpu_pipelines/: 1 file copied, " in capsys.readouterr().out
    assert mine.read_bytes() == (ROOT / "gpu_pipelines" / "image_editing_pipeline.py").read_bytes()


def test_a_folder_that_takes_no_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpu_pipelines").write_text("a file")
    assert main(["init"]) == 1
    assert f"error: cannot write {tmp_path / 'gpu_pipelines'}" in capsys.readouterr().err


def test_in_the_checkout_everything_is_in_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["init"]) == 0
    assert capsys.readouterr().out.count("already here, nothing to copy") == 2
