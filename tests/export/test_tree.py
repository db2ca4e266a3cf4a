"""The one tree of files that trainers read from: where each picture of a record lies, and its text."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from dataflow.export.pictures import Pictures
from dataflow.export.records import Bake, Caption, Image, Record
from dataflow.export.spool import Part
from dataflow.export.tree import Builder, Files, Tree
from tests.kit.exports import photo

ROOT = Path(__file__).parent.parent.parent
PICTURE = Image("/a.jpg", "ab" * 32, 1, 64, 64, "jpeg")
RECORD = Record("r1", (PICTURE,), ("source",), (Caption("do it\nnow", "en"),), PICTURE)


def test_the_parts_have_folders_of_their_own() -> None:
    assert Tree().folder(Part("train", 2)) == "inputs_2"
    assert Tree(is_split=True).folder(Part("test", 1, masked=True)) == "test/inputs_1_masked"
    assert Tree(is_split=True, below="pairs").folder(Part("train", 1)) == "pairs/train/inputs_1"


def test_all_files_of_a_record_have_its_stem_and_the_ending_of_what_goes_out() -> None:
    baked = replace(PICTURE, bake=Bake(mask=True))
    record = replace(RECORD, images=(PICTURE, baked), mask=baked, losers=(PICTURE, PICTURE))
    folder = "inputs_2_masked"
    assert Tree().files(record) == Files(
        f"{folder}/targets/r1.jpg",
        f"{folder}/targets/r1.txt",
        (f"{folder}/control_1/r1.jpg", f"{folder}/control_2/r1.png"),
        f"{folder}/masks/r1.png",
        (f"{folder}/losers/r1.jpg", f"{folder}/losers_2/r1.jpg"),
    )


def test_the_text_has_the_instruction_on_one_line_without_an_end(tmp_path: Path) -> None:
    picture = replace(PICTURE, path=str(photo(tmp_path / "a.jpg", 1)))
    record = replace(RECORD, images=(picture,), edited=picture)
    Builder(Tree(), tmp_path, Pictures(tmp_path / "baked")).add(record)
    assert (tmp_path / "inputs_1/targets/r1.txt").read_bytes() == b"do it now"
    assert (tmp_path / "inputs_1/control_1/r1.jpg").samefile(picture.path)


def test_a_text_of_which_a_full_disk_takes_a_part_is_an_error(tmp_path: Path) -> None:
    """The system writes what has room and names no error."""
    script = """
import resource, sys
from dataflow.export.tree import _write_text

resource.setrlimit(resource.RLIMIT_FSIZE, (10, -1))
_write_text(sys.argv[1], "paint thing number 1 blue")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.txt")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "OSError: [Errno 28] No space left on device" in done.stderr
