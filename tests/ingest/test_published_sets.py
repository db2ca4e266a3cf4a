"""The lines of docs/importing.md for data sets that others published, each against files written as they write them.

Sources of the forms: the sets' own cards and READMEs (PKU-YuanGroup/ImgEdit, gzchen4ai/ScaleEdit-12M,
apple/pico-banana-400k), and the fields that public loaders read of the others; two rows of each are made here.
"""

import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from dataflow.ingest.run import import_rows
from tests.ingest.test_published import said_on_the_page
from tests.kit.picture_host import PictureHost, Said
from tests.kit.publishers import Pair, bytes_in, hf_picture, pairs, rows_of, write_parquet

Written = tuple[str, str | None]
"""What to import, and --root."""


def structs(pictures: Sequence[bytes]) -> list[Any]:
    return [hf_picture(data) for data in pictures]


def imgedit(folder: Path, made: Sequence[Pair], host: PictureHost) -> Written:
    """Parquet that names files of a tar, which users unpack; the lists have one element each."""
    names = [f"results_remove_laion_part5/0009{k}" for k in range(len(made))]
    (folder / "unpacked").mkdir()
    for name, pair in zip(names, made, strict=True):
        for which, data in (("original", pair.source), ("result", pair.result)):
            path = folder / "unpacked" / name / f"{which}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    with tarfile.open(folder / "remove_part5.tar", "w") as tar:
        tar.add(folder / "unpacked" / "results_remove_laion_part5", "results_remove_laion_part5")
    columns = {
        "input_images": [[f"{name}/original.png"] for name in names],
        "output_images": [[f"{name}/result.png"] for name in names],
        "prompt": [pair.words for pair in made],
    }
    return str(write_parquet(folder / "remove_part5.parquet", columns)), str(folder / "unpacked")


def imgedit_turns(folder: Path, made: Sequence[Pair], host: PictureHost) -> Written:
    """Several turns in one row, as a list of such rows."""
    flat, root = imgedit(folder, made, host)
    turns = [
        [{"input_images": [f"results_remove_laion_part5/0009{k}/original.png"],
          "output_images": [f"results_remove_laion_part5/0009{k}/result.png"], "prompt": pair.words},
         {"input_images": ["x.png"], "output_images": ["y.png"], "prompt": "a second turn"}]
        for k, pair in enumerate(made)
    ]  # fmt: skip
    return str(write_parquet(Path(flat).with_name("content_memory_part2.parquet"), {"data": turns})), root


def scaleedit(folder: Path, made: Sequence[Pair], host: PictureHost) -> Written:
    """Bytes in plain columns, and scores."""
    columns: dict[str, Any] = {
        "id": list(range(len(made))),
        "edit_task": ["object_addition"] * len(made),
        "edit_instruction": [pair.words for pair in made],
        "source_image": [pair.source for pair in made],
        "edited_image": [pair.result for pair in made],
        "source_image_width": [96] * len(made),
        "instruction_following_score": [3] * len(made),
    }
    return str(write_parquet(folder / "2.1_object_addition" / "object_addition_0000.parquet", columns)), None


def pico_banana(folder: Path, made: Sequence[Pair], host: PictureHost) -> Written:
    """Sources at strangers' hosts, results below one address; the first host asks to be left alone once."""
    lines = []
    for number, pair in enumerate(made):
        host.pictures[f"/8/7404/{number}_o.jpg"] = pair.source
        host.pictures[f"/pico-banana-300k/nb/images/positive-edit/{number}.png"] = pair.result
        lines.append(
            {
                "open_image_input_url": f"{host.url}/8/7404/{number}_o.jpg",
                "text": pair.words,
                "output_image": f"images/positive-edit/{number}.png",
                "edit_type": "Remove an existing object",
                "summarized_text": "less",
            }
        )
    host.said["/8/7404/0_o.jpg"] = [Said(429, {"Retry-After-Ms": "20"})]
    (folder / "sft.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)))
    return str(folder / "sft.jsonl"), f"{host.url}/pico-banana-300k/nb"


def pico_banana_turns(folder: Path, made: Sequence[Pair], host: PictureHost) -> Written:
    """The turns' results first, the last result, and the source behind them all."""
    _, root = pico_banana(folder, made, host)
    lines = []
    for number, pair in enumerate(made):
        host.pictures[f"/pico-banana-300k/nb/images/multi-turn/{number}_turn1.png"] = pair.result
        files = [("edit_turn1", f"images/multi-turn/{number}_turn1.png"), ("final_image", "images/multi-turn/2.png")]
        files.append(("original_input_image", f"{host.url}/8/7404/{number}_o.jpg"))
        turns = [pair.words, "a second turn"]
        lines.append({"files": [{"id": i, "url": u} for i, u in files], "metadata_edit_turn_prompts": turns})
    (folder / "multi-turn.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)))
    return str(folder / "multi-turn.jsonl"), root


def hub(source: str, words: str, edited: str, **more: Any) -> Callable[[Path, Sequence[Pair], PictureHost], Written]:
    """A set of Image structs, as `datasets` writes it, under the publisher's names."""

    def write(folder: Path, made: Sequence[Pair], host: PictureHost) -> Written:
        said = [pair.words for pair in made]
        columns = {
            source: structs([pair.source for pair in made]),
            words: [["a short one", each] for each in said] if words == "edited_prompt_list" else said,
            edited: structs([pair.result for pair in made]),
            **{name: [value] * len(made) for name, value in more.items()},
        }
        return str(write_parquet(folder / "data" / "train-00000-of-00001.parquet", columns)), None

    return write


SETS: Mapping[str, Callable[[Path, Sequence[Pair], PictureHost], Written]] = {
    "ImgEdit": imgedit,
    "ImgEdit's first of several turns": imgedit_turns,
    "ScaleEdit-12M": scaleedit,
    "Pico-Banana": pico_banana,
    "Pico-Banana's first of several turns": pico_banana_turns,
    "OmniEdit-Filtered-1.2M": hub("src_img", "edited_prompt_list", "edited_img", omni_edit_id="task_1", task="removal"),
    "UltraEdit": hub("source_image", "edit_prompt", "edited_image", source_caption="a dog"),
    "InstructPix2Pix": hub("original_image", "edit_prompt", "edited_image", original_prompt="a", edited_prompt="b"),
    "MagicBrush": hub("source_img", "instruction", "target_img", img_id="327", turn_index=1),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Pair]:
    return pairs(tmp_path_factory.mktemp("drawn"))


@pytest.mark.parametrize("name", SETS)
def test_every_word_and_byte_of_a_published_set_arrives(name: str, drawn: Sequence[Pair], tmp_path: Path) -> None:
    made = [drawn[0], drawn[4]]  # a photograph that stands turned, and 16 bits
    with PictureHost() as host:
        source, root = SETS[name](tmp_path, made, host)
        flags: dict[str, Any] = {"columns": said_on_the_page()[name], "root": root, "picture_hosts": [host.name]}
        done = import_rows(source, tmp_path / "rows.jsonl", **flags)
        assert not done.failed, done
        asked = host.asked.total()
        assert not import_rows(source, tmp_path / "rows.jsonl", **flags).changed
        assert host.asked.total() == asked, "what was fetched is not asked for again"
    for row, pair in zip(rows_of(done.target), made, strict=True):
        assert (bytes_in(row["images"]), bytes_in(row["edited_images"])) == ([pair.source], [pair.result])
        assert row["conversations"] == [{"role": "user", "content": pair.words}]


def test_a_mask_of_a_published_set_is_one_of_the_row(drawn: Sequence[Pair], tmp_path: Path) -> None:
    made = drawn[:2]
    write = hub("source_image", "edit_prompt", "edited_image", mask_image=hf_picture(made[0].result))
    with PictureHost() as host:
        source, _ = write(tmp_path, made, host)
    columns = f"{said_on_the_page()['UltraEdit']},mask=mask_image"
    done = import_rows(source, tmp_path / "rows.jsonl", columns=columns)
    assert [bytes_in([row["mask"]]) for row in rows_of(done.target)] == [[made[0].result]] * 2


def test_a_dead_address_of_a_list_fails_its_row_with_its_status(drawn: Sequence[Pair], tmp_path: Path) -> None:
    made = drawn[:3]
    with PictureHost() as host:
        source, root = pico_banana(tmp_path, made, host)
        del host.pictures["/8/7404/1_o.jpg"]
        host.pictures["/8/7404/2_o.jpg"] = b"<html>this photo is no longer available</html>"
        columns = said_on_the_page()["Pico-Banana"]
        done = import_rows(source, tmp_path / "rows.jsonl", columns=columns, root=root, picture_hosts=[host.name])
        refused = import_rows(source, tmp_path / "none.jsonl", columns=columns, root=root, dry_run=True)
        address = host.url
    failed = rows_of(done.errors)
    assert [(each["place"], each["reason"]) for each in failed] == [
        ("line 2 of sft.jsonl", f"`images` {address}/8/7404/1_o.jpg: HTTP 404"),
        ("line 3 of sft.jsonl", f"`images` {address}/8/7404/2_o.jpg: the picture is an HTML page"),
    ]
    assert done.rows == 1
    assert "pictures: 6 to be fetched" in str(refused), "a dry run fetches nothing"
