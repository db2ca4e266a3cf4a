"""An export from one end to the other: what comes out, and that it is whole or not there."""

from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.export import Format, Output, Takes, export
from tests.kit.exports import cache_of, row, tree_of
from tests.kit.flow import read_rows


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    pictures = tmp_path / "pictures"
    two = {**row(pictures, 2), "images": [row(pictures, 3)["images"][0], row(pictures, 4)["images"][0]]}
    return cache_of(tmp_path / "cache", [row(pictures, 1), two])


def test_pictures_are_links_to_those_of_the_cache(cache: Path, tmp_path: Path) -> None:
    done = export(cache, "ai-toolkit", tmp_path / "out")
    assert done.files == {"linked": 5, "copied": 0, "baked": 0}
    assert (tmp_path / "out/inputs_1/targets/row_1.png").samefile(tmp_path / "pictures/edit_1.png")
    assert (tmp_path / "out/inputs_2/control_2/row_2.png").samefile(tmp_path / "pictures/source_4.png")
    assert (tmp_path / "out/inputs_1/targets/row_1.txt").read_text() == "paint thing number 1 blue"


def test_several_formats_share_one_tree_and_each_says_what_trains_on_it(cache: Path, tmp_path: Path) -> None:
    done = export(cache, "ai-toolkit,musubi", tmp_path / "out")
    assert done.files["linked"] == 5
    assert list(done.commands) == ["ai-toolkit", "musubi"]
    (line,) = read_rows(tmp_path / "out/musubi/train_inputs_2.jsonl")
    assert [line["control_path_0"], line["control_path_1"]] == [
        str(tmp_path / f"out/inputs_2/control_{k}/row_2.png") for k in (1, 2)
    ]


def test_the_same_rows_give_the_same_bytes(cache: Path, tmp_path: Path) -> None:
    trees = []
    for _ in range(2):
        export(cache, "ai-toolkit,musubi", tmp_path / "out", split="test=50%")
        trees.append(tree_of(tmp_path / "out"))
        (tmp_path / "out").rename(tmp_path / f"out_{len(trees)}")
    assert trees[0] == trees[1]


def test_a_format_of_ones_own_is_a_value(cache: Path, tmp_path: Path) -> None:
    def write(output: Output) -> str:
        names = [f"{record.id} {output.tree.files(record).edited}" for record in output.records]
        (output.folder / "list.txt").write_text("\n".join(names), encoding="utf-8")
        return f"train {output.final}"

    done = export(cache, [Format("mine", write, Takes(inputs=(1, 2)))], tmp_path / "out")
    assert done.commands == {"mine": f"train {tmp_path}/out/mine"}
    listed = (tmp_path / "out/mine/list.txt").read_text().splitlines()
    assert listed == ["row_1 inputs_1/targets/row_1.png", "row_2 inputs_2/targets/row_2.png"]


def test_what_is_there_already_is_never_written_over(cache: Path, tmp_path: Path) -> None:
    export(cache, "musubi", tmp_path / "out")
    with pytest.raises(ConfigError, match="is there already: name another --out"):
        export(cache, "musubi", tmp_path / "out")


def test_a_dry_run_checks_and_writes_nothing(cache: Path, tmp_path: Path) -> None:
    done = export(cache, "musubi", tmp_path / "out", dry_run=True)
    assert done.formats == {"musubi": 2}
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.part").exists()


@pytest.mark.parametrize("to", ["nonsense", "no.such.module:FORMAT", "json:loads", ""])
def test_an_unknown_format_is_one_sentence(cache: Path, tmp_path: Path, to: str) -> None:
    with pytest.raises(ConfigError, match="format"):
        export(cache, to, tmp_path / "out")


def test_a_format_that_takes_no_record_is_refused_even_with_skip(tmp_path: Path) -> None:
    two = row(tmp_path, 1)
    two["images"] = [*two["images"], *row(tmp_path, 2)["images"]]
    cache = cache_of(tmp_path / "cache", [two])
    for name in ("step1x", "bagel", "diffusers", "uniworld-rl", "diffusion-pipe"):
        for dry_run in (True, False):
            with pytest.raises(ConfigError, match=f"{name} takes none of the records to train on"):
                export(cache, f"musubi,{name}", tmp_path / "out", skip=True, dry_run=dry_run)
    assert not (tmp_path / "out").exists()


def test_an_export_of_which_no_row_goes_out_says_why_row_by_row(tmp_path: Path) -> None:
    rejected = row(tmp_path, 2, verdict={"accepted": False})
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1, edited_images=[]), rejected, row(tmp_path, 3, licence="ND")])
    with pytest.raises(ConfigError) as refused:
        export(cache, "musubi", tmp_path / "out", skip=True)
    assert str(refused.value) == (
        "of 3 rows (rows) none goes out: 1 row failed; 1 row rejected; 1 row: the licence forbids it"
    )


def test_a_split_that_got_nothing_is_said_and_nothing_to_train_on_refused(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, number) for number in (1, 2)])
    done = export(cache, "hf", tmp_path / "out", split="test=0.01%")
    assert done.splits == {"train": 2, "test": 0}
    assert "train 2, test 0" in str(done)
    with pytest.raises(ConfigError, match=r"--split leaves nothing to train on \(rows: 2 test\)"):
        export(cache, "hf", tmp_path / "none", split="test=99.99%")


def test_a_split_may_be_called_as_the_folder_of_the_tables(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, number) for number in range(6)])
    done = export(cache, "hf,musubi", tmp_path / "out", split="data=50%")
    assert done.splits.keys() == {"train", "data"}
    assert len(list((tmp_path / "out/data").glob("data-*.parquet"))) == 1
