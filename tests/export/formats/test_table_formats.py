"""What each trainer that reads parquet or tar gets of eight awkward rows, and what their own libraries say of it."""

import json
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from dataflow.core.records import Row
from dataflow.errors import ConfigError
from dataflow.export import export
from tests.kit import table_loaders as load
from tests.kit.awkward import WORDS, Expected, Pixels, awkward_cache
from tests.kit.exports import cache_of, row, tree_of
from tests.kit.tree_loaders import Loader

FORMATS = "hf,diffusers,bagel,webdataset"
IDS = ("row_0", "row_1", "row_2", "007", "第五行", "row_5", "row_6", "row_7")
# Name → its loader, and whether it takes rows of several inputs.
LOADERS: dict[str, tuple[Loader, bool]] = {
    "hf": (load.hf, True),
    "dreambooth": (load.dreambooth, False),
    "bagel": (load.bagel, False),
    "webdataset": (load.webdataset, True),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Expected]]:
    folder = tmp_path_factory.mktemp("awkward")
    cache, expected = awkward_cache(folder)
    export(cache, FORMATS, folder / "out", skip=True)
    return folder / "out", expected


def differ(one: Pixels, other: Pixels) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other).max())


@pytest.mark.parametrize("name", LOADERS)
def test_a_loader_gets_every_pixel_input_and_word(exported: tuple[Path, list[Expected]], name: str) -> None:
    out, rows = exported
    loader, is_any = LOADERS[name]
    expected = [(each, words) for each, words in zip(rows, WORDS, strict=True) if is_any or len(each.inputs) == 1]
    got = list(loader(out, "train"))
    if name == "webdataset":  # a set of shards for each number of inputs and kind of file
        by_words = {each.words: each for each in got}
        assert len(by_words) == len(got)
        got = [by_words[words] for _, words in expected]
    assert [each.words for each in got] == [words for _, words in expected]  # ends of lines and quotes too
    for read, (row_, _) in zip(got, expected, strict=True):
        assert [differ(*pair) <= 1 for pair in zip(read.inputs, row_.inputs, strict=True)] == [True] * len(read.inputs)
        assert differ(read.edited, row_.edited) <= 1


@pytest.fixture
def session(tmp_path: Path) -> tuple[Path, Row]:
    """A conversation of three turns; the third goes back to what the first made, if `version` is set so."""
    turns = [{"instruction": f"turn {number}", "version": number} for number in (1, 2, 3)]
    edited = [row(tmp_path, number)["edited_images"][0] for number in (1, 2, 3)]
    verdicts = [{"accepted": True, "score": 8.0 + number} for number in range(3)]
    return tmp_path, {**row(tmp_path, 1), "turns": turns, "edited_images": edited, "verdict": verdicts}


def test_bagel_gets_a_conversation_as_a_chain(session: tuple[Path, Row]) -> None:
    folder, row_ = session
    export(cache_of(folder / "cache", [row_]), "bagel", folder / "out")
    (found,) = load.parquet_rows(folder / "out/bagel/train", "train")
    pictures = [*row_["images"], *row_["edited_images"]]
    assert found["image_list"] == [Path(path).read_bytes() for path in pictures]
    assert found["instruction_list"] == [["turn 1"], ["turn 2"], ["turn 3"]]
    edits = {tuple(map(pixels, pictures[at : at + 2])): f"turn {at + 1}" for at in range(3)}
    reads = [read for seed in range(20) for read in load.bagel(folder / "out", "train", seed=seed)]
    assert {edits[read.inputs[0].tobytes(), read.edited.tobytes()] for read in reads} == set(edits.values())
    assert all(edits[read.inputs[0].tobytes(), read.edited.tobytes()] == read.words for read in reads)


def pixels(path: str) -> bytes:
    return load.opened(Path(path).read_bytes()).tobytes()


def test_bagel_gets_a_conversation_that_goes_back_turn_by_turn(session: tuple[Path, Row]) -> None:
    folder, row_ = session
    row_["turns"][2]["version"] = 2
    export(cache_of(folder / "cache", [row_]), "bagel", folder / "out")
    found = list(load.parquet_rows(folder / "out/bagel/train", "train"))
    assert [each["instruction_list"] for each in found] == [[["turn 1"]], [["turn 2"]], [["turn 3"]]]
    assert found[2]["image_list"] == [Path(row_["edited_images"][k]).read_bytes() for k in (0, 2)]


def test_others_get_a_conversation_turn_by_turn(session: tuple[Path, Row]) -> None:
    folder, row_ = session
    export(cache_of(folder / "cache", [row_]), "hf,webdataset", folder / "out")
    for read in (load.hf, load.webdataset):
        assert [each.words for each in read(folder / "out", "train")] == ["turn 1", "turn 2", "turn 3"]
    found = list(load.parquet_rows(folder / "out/data", "train"))
    assert [(each["parent_id"], each["relation"], each["score"]) for each in found] == [
        ("row_1", "turn", score) for score in (8.0, 9.0, 10.0)
    ]


def test_bagel_gives_each_worker_of_eight_ranks_rows_of_a_small_set(tmp_path: Path) -> None:
    export(cache_of(tmp_path / "cache", [row(tmp_path, 1)]), "bagel", tmp_path / "out")
    (read,) = load.bagel(tmp_path / "out", "train", ranks=8, workers=4)
    assert read.words == "paint thing number 1 blue"


def test_bagel_draws_among_all_wordings(tmp_path: Path) -> None:
    forms = [
        {"content": "mach es blau", "language": "de", "length": "short"},
        {"content": "改成蓝色", "language": "zh"},
    ]
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1, instructions=forms)])
    export(cache, "bagel,hf", tmp_path / "out")
    (found,) = load.parquet_rows(tmp_path / "out/bagel/train", "train")
    assert found["instruction_list"] == [["paint thing number 1 blue", "mach es blau", "改成蓝色"]]
    (found,) = load.parquet_rows(tmp_path / "out/data", "train")
    assert [(each["text"], each["language"], each["length"]) for each in found["captions"]][1:] == [
        ("mach es blau", "de", "short"),
        ("改成蓝色", "zh", ""),
    ]


@pytest.mark.parametrize("read", [load.hf, load.webdataset])
def test_masks_go_along(tmp_path: Path, read: Loader) -> None:
    mask = np.zeros((256, 320), np.uint8)
    mask[40:90, 60:200] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    masked = row(tmp_path, 1, mask=str(tmp_path / "mask.png"))
    export(cache_of(tmp_path / "cache", [row(tmp_path, 2), masked]), "hf,webdataset", tmp_path / "out")
    got = {each.words: each.mask for each in read(tmp_path / "out", "train")}
    assert got["paint thing number 2 blue"] is None
    found = got["paint thing number 1 blue"]
    assert found is not None
    assert (found.reshape(256, 320, -1)[..., 0] == mask).all()


def test_a_row_says_who_made_its_pictures_and_under_which_licence(tmp_path: Path) -> None:
    known = {"licence": "CC-BY-4.0", "credit": "A. Painter", "digital_source_type": "digitalCapture"}
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1, parent_id="first", relation="inverse", **known)])
    export(cache, FORMATS, tmp_path / "out")
    (found,) = load.parquet_rows(tmp_path / "out/data", "train")
    (sample,) = load.tar_samples([*(tmp_path / "out/webdataset").iterdir()])
    for each in (found, json.loads(sample["json"])):
        assert (each["licence"], each["credit"]) == ("CC-BY-4.0", "A. Painter")
        assert (each["parent_id"], each["relation"]) == ("first", "inverse")
        assert each["images_by"][0]["source_type"] == "digitalCapture"
        assert each["axes"] == {"following": 9.0, "preservation": 8.0}
        assert (each["score"], each["accepted"], each["width"], each["height"]) == (8.5, True, 320, 256)
        assert json.loads(each["verdict"])["axes"]["following"] == 9.0
    (found,) = load.parquet_rows(tmp_path / "out/diffusers/data", "train")
    assert found["input_image_by"]["source_type"] == "digitalCapture"


def test_datasets_opens_all_of_them(exported: tuple[Path, list[Expected]], tmp_path: Path) -> None:
    out, rows = exported
    found = datasets.load_dataset(str(out / "data"), split="train", cache_dir=str(tmp_path))
    assert found.features["images"] == datasets.List(datasets.Image())
    assert found.features["edited_image"] == datasets.Image()
    assert [len(each["images"]) for each in found] == [len(each.inputs) for each in rows]
    assert all(
        differ(np.asarray(image), pixels) <= 1
        for each, row_ in zip(found, rows, strict=True)
        for image, pixels in zip(each["images"], row_.inputs, strict=True)
    )
    trained = datasets.load_dataset(str(out / "diffusers"), cache_dir=str(tmp_path))["train"]
    by_words = dict(zip(WORDS, rows, strict=True))
    assert all(
        differ(np.asarray(each["input_image"]), by_words[each["edit_prompt"]].inputs[0]) <= 1 for each in trained
    )


def test_datasets_reads_the_shards_though_the_first_samples_know_less(tmp_path: Path) -> None:
    rows = [row(tmp_path, number, verdict=None) for number in range(8)] + [row(tmp_path, 8)]
    export(cache_of(tmp_path / "cache", rows), "webdataset", tmp_path / "out")
    shards = [str(path) for path in (tmp_path / "out/webdataset").iterdir()]
    found = datasets.load_dataset("webdataset", data_files=shards, split="train", cache_dir=str(tmp_path / "hf"))
    assert [each["json"]["score"] for each in found] == [-1.0] * 8 + [8.5]
    assert [each["json"]["accepted"] for each in found] == [-1] * 8 + [1]
    assert found[8]["json"]["axes"] == {"following": 9.0, "preservation": 8.0}


READ_SHARDS = """\
import sys, numpy, webdataset
samples = webdataset.WebDataset(sys.argv[2:], shardshuffle=False).decode("pil")
found = {}
for sample in samples:
    names = sorted(name for name in sample if name.startswith("input"))
    names += [name for name in sample if name.startswith("output")]
    found |= {f"{sample['json']['id']} {k}": numpy.asarray(sample[name]) for k, name in enumerate(names)}
numpy.savez(sys.argv[1], **found)
"""


def test_webdataset_reads_the_shards(exported: tuple[Path, list[Expected]], tmp_path: Path) -> None:
    """In a process of its own: it leaves files open."""
    out, rows = exported
    shards = sorted(str(path) for path in (out / "webdataset").iterdir())
    subprocess.run([sys.executable, "-c", READ_SHARDS, str(tmp_path / "got.npz"), *shards], check=True)
    with np.load(tmp_path / "got.npz") as got:
        expected = {
            f"{identity} {k}": pixels
            for identity, row_ in zip(IDS, rows, strict=True)
            for k, pixels in enumerate([*row_.inputs, row_.edited])
        }
        assert set(got) == set(expected)
        assert max(differ(got[name], pixels) for name, pixels in expected.items()) <= 1


def test_samples_of_a_set_of_shards_have_the_same_members(exported: tuple[Path, list[Expected]]) -> None:
    out, _ = exported
    for path in (out / "webdataset").iterdir():
        names = {tuple(sorted(sample)) for sample in load.tar_samples([path])}
        assert len(names) == 1, path.name


@pytest.mark.parametrize("name", FORMATS.split(","))
def test_the_same_rows_give_the_same_bytes(tmp_path: Path, name: str) -> None:
    cache, _ = awkward_cache(tmp_path)
    trees = []
    for number in range(2):
        export(cache, name, tmp_path / "out", skip=True, split="test=30%")
        trees.append(tree_of(tmp_path / "out"))
        (tmp_path / "out").rename(tmp_path / f"out_{number}")
    assert trees[0] == trees[1]


def test_rows_of_several_inputs_are_refused_by_name(tmp_path: Path) -> None:
    cache, _ = awkward_cache(tmp_path)
    with pytest.raises(ConfigError, match="bagel takes 1 input picture, and this has more"):
        export(cache, "bagel", tmp_path / "out")


def test_bagel_has_groups_for_many_workers_though_rows_are_few(tmp_path: Path) -> None:
    """A worker that gets no group of rows waits for ever."""
    export(cache_of(tmp_path / "cache", [row(tmp_path, number) for number in range(12)]), "bagel", tmp_path / "out")
    (known,) = json.loads((tmp_path / "out/bagel/train_parquet_info.json").read_bytes()).values()
    assert known == {"num_row_groups": 12, "num_rows": 12}
    assert len(list(load.bagel(tmp_path / "out", "train", ranks=4))) == 3
