"""The card: what `load_dataset` finds by it, what it says, and what it says that nobody knows."""

import json
from pathlib import Path

import datasets
import yaml

from dataflow.export import export
from dataflow.export.records import DRAWN, EDITED
from dataflow.operators.core_vision import PromptedImageEditGenerator, PromptedImageGenerator
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.exports import STEP, cache_of, card_of, photo, row, section, verdict


def test_load_dataset_opens_the_export_by_its_card(tmp_path: Path) -> None:
    rows = [row(tmp_path, number) for number in range(12)]
    export(cache_of(tmp_path / "cache", rows), "hf,diffusers,ai-toolkit", tmp_path / "out", split="test=30%")
    found = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "hf"))
    assert sorted(found) == ["test", "train"]
    assert sorted(name for split in found.values() for name in split["id"]) == sorted(each["id"] for each in rows)
    assert found["train"].features["images"] == datasets.List(datasets.Image())
    assert found["train"][0]["images"][0].size == (320, 256)
    one = datasets.load_dataset(str(tmp_path / "out"), "diffusers", split="test", cache_dir=str(tmp_path / "hf"))
    assert one["edit_prompt"] == found["test"]["instruction"]


def test_load_dataset_streams_the_export(tmp_path: Path) -> None:
    export(cache_of(tmp_path / "cache", [row(tmp_path, number) for number in range(3)]), "hf", tmp_path / "out")
    found = datasets.load_dataset(str(tmp_path / "out"), split="train", streaming=True)
    assert [each["id"] for each in found] == ["row_0", "row_1", "row_2"]


def test_rows_without_a_verdict_are_said_to_be_not_judged(tmp_path: Path) -> None:
    rows = [row(tmp_path, 1, verdict=None), row(tmp_path, 2, verdict=None)]
    cache = cache_of(tmp_path / "cache", rows)
    export(cache, "hf", tmp_path / "out")
    assert "**Not judged**: no verdict stands with any" in section(card_of(tmp_path / "out"), "Judge")
    some = cache_of(tmp_path / "some", [rows[0], row(tmp_path, 3, verdict=verdict())])
    export(some, "hf", tmp_path / "out_2")
    said = section(card_of(tmp_path / "out_2"), "Judge")
    assert "**Not judged**: no verdict stands with 1 of 2 records." in said
    assert "judge `0123456789abcdef`, rubric `fedcba`: 1 record; not calibrated" in said
    assert "of 10 over 1 record" in said


def test_the_card_and_columns_name_the_models_that_drew(tmp_path: Path) -> None:
    """A real run: a painter draws what an editor edits."""
    cache = tmp_path / "cache"
    drawn, edited = (photo(tmp_path / f"{k}.png", k).read_bytes() for k in (1, 2))
    (tmp_path / "rows.jsonl").write_text(
        json.dumps({"input_text": "a hill", "conversations": [{"role": "user", "content": "make it blue"}]}) + "\n"
    )
    storage = FileStorage(str(tmp_path / "rows.jsonl"), cache_path=str(cache))
    painter = ScriptedWorker([drawn], save_path=str(cache / "drawn"))
    editor = ScriptedWorker([edited], save_path=str(cache / "edited"))
    PromptedImageGenerator(painter).run(
        storage.step(), input_conversation_key="input_text", output_image_key="input_image"
    )
    PromptedImageEditGenerator(editor).run(
        storage.step(),
        input_image_key="input_image",
        input_conversation_key="conversations",
        output_image_key="output_image",
    )
    export(cache, "hf,webdataset", tmp_path / "out")
    (found,) = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "hf"))
    assert found["images_by"][0]["source_type"] == DRAWN
    assert found["edited_image_by"]["source_type"] == EDITED
    for by, folder in ((found["images_by"][0], "drawn"), (found["edited_image_by"], "edited")):
        assert (cache / folder / by["request"][:2] / f"{by['request']}_0.png").is_file()
        assert by["seed"] == int(by["request"][:8], 16) >> 1
    said = section(card_of(tmp_path / "out"), "Models that drew")
    assert f"| {DRAWN} |" in said
    assert f"| {EDITED} |" in said


def test_a_manifest_that_baking_drops_is_counted(tmp_path: Path) -> None:
    signed = b"\0\0\0\x04caBXjumb" + b"\0\0\0\0"
    kept, turned = row(tmp_path, 1), row(tmp_path, 2)
    data = Path(kept["images"][0]).read_bytes()
    Path(kept["images"][0]).write_bytes(data[:33] + _with_checksum(signed) + data[33:])
    grey = photo(tmp_path / "grey.png", 9, mode="L").read_bytes()
    (tmp_path / "grey.png").write_bytes(grey[:33] + _with_checksum(signed) + grey[33:])
    turned["images"] = [str(tmp_path / "grey.png")]
    done = export(cache_of(tmp_path / "cache", [kept, turned]), "hf,ai-toolkit", tmp_path / "out")
    assert done.manifests_lost == 1
    assert "made anew: 1;" in card_of(tmp_path / "out")
    assert b"caBX" in (tmp_path / "out/inputs_1/control_1/row_1.png").read_bytes()


def _with_checksum(chunk: bytes) -> bytes:
    import zlib

    return chunk[:-4] + zlib.crc32(chunk[4:-4]).to_bytes(4, "big")


def test_what_rows_say_cannot_break_the_card(tmp_path: Path) -> None:
    known = {"sub_type": "a | b\n# c", "credit": "`<script>`", "licence": "x: [y\n---", "edit_type": "---"}
    export(cache_of(tmp_path / "cache", [row(tmp_path, 1, **known)]), "hf", tmp_path / "o: ut")
    card = card_of(tmp_path / "o: ut")
    front, text = card.removeprefix("---\n").split("\n---\n", 1)
    assert yaml.safe_load(front)["pretty_name"] == "o: ut"
    assert "| a \\| b # c | 1 | 1 | 0 | 0 | 100% | 1 |" in text
    assert "<script>" not in text


def test_neither_time_nor_place_is_in_card_and_metadata(tmp_path: Path) -> None:
    rows = [row(tmp_path, number) for number in range(3)]
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        export(cache_of(tmp_path / place / "cache", rows), "hf,ai-toolkit,bagel", tmp_path / place / "out")
    for name in ("README.md", "croissant.json", "samples.jpg", "data/train-00000-of-00001.parquet"):
        assert (tmp_path / "a/out" / name).read_bytes() == (tmp_path / "b/out" / name).read_bytes(), name
    assert str(tmp_path) not in card_of(tmp_path / "a/out")


def test_the_cost_of_the_directory_is_on_the_card(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, number) for number in range(4)])
    cost = {"directory": 2.0, "directory_unsure": 0.5, "currency": "USD", "prices_of": "2026-11-01"}
    (cache / f"{STEP}.meta.json").write_text(json.dumps({"rows": 4, "cost": cost, "made_by": {}}))
    export(cache, "hf", tmp_path / "out")
    said = section(card_of(tmp_path / "out"), "Cost")
    assert "2.00 USD for all" in said
    assert "0.5 USD a record; up to 0.5000 USD more" in said


def test_a_small_cost_is_not_shown_as_nothing(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1)])
    cost = {"directory": 0.0031, "directory_unsure": 0.00001, "currency": "USD"}
    (cache / f"{STEP}.meta.json").write_text(json.dumps({"cost": cost}))
    export(cache, "hf", tmp_path / "out")
    said = section(card_of(tmp_path / "out"), "Cost")
    assert "0.0031 USD for all" in said
    assert "up to 0.0001 USD more" in said


def test_the_command_lines_have_no_path_of_the_machine(tmp_path: Path) -> None:
    export(cache_of(tmp_path / "cache", [row(tmp_path, 1)]), "hf,diffusers", tmp_path / "a folder")
    card = card_of(tmp_path / "a folder")
    assert "load_dataset" in card
    assert str(tmp_path) not in card
