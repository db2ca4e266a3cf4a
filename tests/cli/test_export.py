"""`dataflowmm export`: its flags, its last lines and its exit codes."""

from pathlib import Path

import pytest

from dataflow.cli.main import main
from tests.kit.exports import cache_of, row


def test_an_export_ends_with_what_trains_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1)])
    assert main(["export", str(cache), "--to", "musubi", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert f"-> {tmp_path}/out: 2 linked, 0 copied, 0 baked" in said
    assert "musubi: accelerate launch src/musubi_tuner/qwen_image_train_network.py" in said
    assert f"--dataset_config {tmp_path}/out/musubi/train.toml" in said
    assert "not judged" not in said


def test_rows_that_nobody_judged_go_out_and_the_last_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unjudged = {name: value for name, value in row(tmp_path, 1).items() if name != "verdict"}
    cache = cache_of(tmp_path / "cache", [unjudged, row(tmp_path, 2)])
    assert main(["export", str(cache), "--to", "musubi", "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "not judged: 1 record without a verdict"


def test_the_card_parts_what_is_counted_from_its_number(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1)])
    assert main(["export", str(cache), "--to", "hf", "--out", str(tmp_path / "out")]) == 0
    assert "- records by the number of input pictures: 1: 1\n" in (tmp_path / "out" / "README.md").read_text()


def test_a_row_that_may_not_go_out_stops_it_unless_it_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = row(tmp_path, 1), row(tmp_path, 2)
    cache = cache_of(tmp_path / "cache", [good, {**bad, "edited_images": bad["images"]}])
    flags = ["export", str(cache), "--to", "musubi", "--out", str(tmp_path / "out")]
    assert main(flags) == 1
    assert "error: 1 row: the result is one of the row's own inputs" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*flags, "--skip"]) == 0
    told = capsys.readouterr()
    assert "records: musubi 1" in told.out
    assert "left out: 1 row: the result is one of the row's own inputs" in told.out + told.err
    assert "error" not in told.out + told.err


def test_a_directory_without_edits_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = cache_of(tmp_path / "cache", [{"input_text": "a"}])
    assert main(["export", str(cache), "--to", "musubi", "--out", str(tmp_path / "out")]) == 1
    assert "has no step with `edited_images`" in capsys.readouterr().err


def test_a_list_may_be_given_as_several_flags(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1)])
    flags = ["--to", "ai-toolkit", "--to", "musubi", "--out", str(tmp_path / "out")]
    assert main(["export", str(cache), *flags]) == 0
    assert (tmp_path / "out/ai-toolkit").is_dir()
    assert (tmp_path / "out/musubi").is_dir()
