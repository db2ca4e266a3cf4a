"""Which files are steps, and which of them is the newest."""

import os
from pathlib import Path

from dataflow.utils.step_files import step_file, step_files


def files(folder: Path, *names: str) -> None:
    """Written one after another, a second apart."""
    for at, name in enumerate(names):
        (folder / name).write_text("{}\n")
        os.utime(folder / name, (at, at))


def names(folder: Path) -> list[str]:
    return [file.path.name for file in step_files(folder)]


def test_side_outputs_and_meta_files_are_no_steps(tmp_path: Path) -> None:
    files(tmp_path, "a_step1.jsonl", "a_step1.tries.jsonl", "a_step1.meta.json", "notes.jsonl", "a_step1b.jsonl")
    (tmp_path / "a_step2.jsonl").mkdir()
    assert names(tmp_path) == ["a_step1.jsonl"]


def test_a_step_is_known_by_prefix_and_number(tmp_path: Path) -> None:
    step = step_file(tmp_path / "my_step2_run_step10.parquet.part")
    assert step is not None
    assert (step.prefix, step.number, step.name) == ("my_step2_run", 10, "my_step2_run_step10")
    assert not step.is_whole


def test_the_newest_run_stands_last_and_its_steps_by_number(tmp_path: Path) -> None:
    files(tmp_path, "b_step1.jsonl", "a_step10.jsonl", "a_step9.csv", "b_step2.jsonl.part")
    assert names(tmp_path) == ["a_step9.csv", "a_step10.jsonl", "b_step1.jsonl", "b_step2.jsonl.part"]


def test_a_copy_that_mixes_up_times_keeps_the_order_of_steps(tmp_path: Path) -> None:
    files(tmp_path, "a_step3.jsonl", "a_step1.jsonl", "a_step2.jsonl")
    assert names(tmp_path) == ["a_step1.jsonl", "a_step2.jsonl", "a_step3.jsonl"]


def test_a_file_that_goes_meanwhile_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a_step1.jsonl").touch()
    (tmp_path / "a_step1.jsonl.part").symlink_to(tmp_path / "renamed")
    (tmp_path / "a_step2.jsonl").mkdir()
    assert [file.path.name for file in step_files(tmp_path)] == ["a_step1.jsonl"]
