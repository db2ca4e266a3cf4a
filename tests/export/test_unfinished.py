"""`DIR.part`: an export is whole or not there, also after kill -9, and the next one goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.errors import ConfigError, NotStored
from dataflow.export import Format, Output, export
from dataflow.export.unfinished import check_target
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.exports import cache_of, photo, row, run_edits, tree_of

ROOT = Path(__file__).parent.parent.parent
SCRIPT = """
import sys
from dataflow.export import Format, export
from dataflow.export.formats.musubi import write

def slow(output):
    write(output)
    print("written", flush=True)
    sys.stdin.read()

export(sys.argv[1], ["ai-toolkit", Format("slow", slow)], sys.argv[2])
"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return cache_of(tmp_path / "cache", [row(tmp_path / "pictures", number) for number in range(5)])


def begun(cache: Path, out: Path) -> "subprocess.Popen[str]":
    """An export in a process of its own, which has written everything and is not done."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(cache), str(out)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "written\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_leaves_nothing_half_and_the_next_call_goes_on(cache: Path, tmp_path: Path, number: int) -> None:
    out = tmp_path / "out"
    process = begun(cache, out)
    assert not out.exists()
    assert (tmp_path / "out.part/inputs_1/targets/row_1.png").exists()
    process.send_signal(number)
    process.communicate(timeout=60)
    assert not out.exists()
    export(cache, "ai-toolkit", out)
    export(cache, "ai-toolkit", tmp_path / "anew")
    assert tree_of(out / "inputs_1") == tree_of(tmp_path / "anew/inputs_1")
    assert sorted(tree_of(out)) == sorted(tree_of(tmp_path / "anew"))
    assert not (tmp_path / "out.part").exists()


def test_two_exports_into_one_folder_do_not_meet(cache: Path, tmp_path: Path) -> None:
    process = begun(cache, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"another export writes .*out\.part: wait for it"):
        export(cache, "ai-toolkit", tmp_path / "out")
    process.communicate("", timeout=60)
    assert process.returncode == 0
    assert (tmp_path / "out/slow/train.toml").exists()


def test_a_format_that_fails_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    def fails(output: Output) -> str:
        raise RuntimeError(output.name)

    with pytest.raises(RuntimeError, match="mine"):
        export(cache, [Format("mine", fails)], tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def test_a_folder_that_no_export_made_is_left_alone(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part/mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="no export made it"):
        export(cache, "ai-toolkit", tmp_path / "out")
    assert (tmp_path / "out.part/mine.txt").read_text() == "mine"


def test_nothing_in_the_cache_is_written_or_locked(cache: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (cache, *cache.rglob("*"))}
    os.chmod(cache, 0o555)
    export(cache, "ai-toolkit", tmp_path / "out")
    os.chmod(cache, 0o755)
    assert {path: path.stat().st_mtime_ns for path in (cache, *cache.rglob("*"))} == before


def test_a_run_after_an_export_asks_nothing(tmp_path: Path) -> None:
    """Links change the times of the cache's pictures, which are read again and found to be the same."""
    pictures = [photo(tmp_path / f"s{number}.png", number) for number in range(3)]
    export(run_edits(tmp_path, pictures), "ai-toolkit", tmp_path / "out")
    storage = FileStorage(tmp_path / "first.jsonl", tmp_path / "cache")
    worker = ScriptedWorker(save_path=str(tmp_path / "cache/images"))
    PromptedImageEditGenerator(worker).run(storage.step())
    assert worker.asked == []


def test_what_the_disk_does_not_take_is_said_in_our_words(cache: Path, tmp_path: Path) -> None:
    def writes_into_a_folder(output: Output) -> str:
        output.folder.write_bytes(b"a folder takes no bytes")
        return ""

    with pytest.raises(NotStored, match="nothing was exported"):
        export(cache, [Format("mine", writes_into_a_folder)], tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("name", ['a"b', "a'b", "a\\b"])
def test_a_name_that_lists_of_trainers_cannot_hold_is_refused(cache: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="name another --out"):
        export(cache, "ai-toolkit", tmp_path / name)


def test_a_link_is_named_before_a_row_is_read(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    for there in ("elsewhere", "gone"):
        link = tmp_path / f"to_{there}"
        link.symlink_to(tmp_path / there)
        with pytest.raises(ConfigError, match="is a link, and an export makes its folder itself"):
            export(cache, "musubi", link)
        assert not link.with_name(f"{link.name}.part").exists()


def test_where_a_disk_is_mounted_nothing_can_be_renamed_to() -> None:
    with pytest.raises(ConfigError, match="is where a disk is mounted"):
        check_target(Path("/"))


@pytest.mark.parametrize("name", ["x" * 252, "x" * 300, "a\0b"])
def test_a_name_that_no_folder_can_have_is_one_sentence(cache: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name of a folder"):
        export(cache, "musubi", tmp_path / name)
