"""`records.jsonl`: what trainers' lists have no place for."""

from pathlib import Path

from PIL import Image

from dataflow.export import export
from tests.kit.exports import cache_of, row
from tests.kit.flow import read_rows


def test_each_record_of_a_tree_has_its_line(tmp_path: Path) -> None:
    Image.new("L", (320, 256), 255).save(tmp_path / "mask.png")
    known = {"licence": "CC-BY-4.0", "credit": "A. Painter", "digital_source_type": "digitalCapture"}
    rows = [row(tmp_path, 1, **known), row(tmp_path, 2, mask=str(tmp_path / "mask.png"), **known)]
    export(cache_of(tmp_path / "cache", rows), "ai-toolkit,musubi", tmp_path / "out", split="test=50%")
    lines = read_rows(tmp_path / "out/records.jsonl")
    assert [each["id"] for each in lines] == ["row_1", "row_2"]
    for line, given in zip(lines, rows, strict=True):
        files = line["files"]
        assert files["edited_image"].startswith(f"{line['split']}/")
        for path, original in (
            (files["edited_image"], given["edited_images"][0]),
            (files["images"][0], given["images"][0]),
        ):
            assert (tmp_path / "out" / path).samefile(original)
        assert (line["licence"], line["credit"]) == ("CC-BY-4.0", "A. Painter")
        assert line["images_by"][0]["source_type"] == "digitalCapture"
        assert line["score"] == 8.5
    assert "mask" not in lines[0]["files"]
    assert (tmp_path / "out" / lines[1]["files"]["mask"]).is_file()


def test_pairs_have_a_listing_beside_their_own_tree(tmp_path: Path) -> None:
    worse, better = row(tmp_path, 1)["edited_images"][0], row(tmp_path, 2)["edited_images"][0]
    verdicts = [{"accepted": True, "score": 9.0}, {"accepted": False, "score": 2.0}]
    pair = row(
        tmp_path, 3, edited_images=[better, worse], verdict={"axis": "following", "margin": 7, "verdicts": verdicts}
    )
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 4)], pairs=[pair])
    done = export(cache, "simpletuner,simpletuner-dpo", tmp_path / "out")
    assert done.not_judged == 0
    (line,) = read_rows(tmp_path / "out/pairs/records.jsonl")
    assert (tmp_path / "out" / line["files"]["losers"][0]).samefile(worse)
    assert [each["id"] for each in read_rows(tmp_path / "out/records.jsonl")] == ["row_4"]


def test_tables_alone_need_none(tmp_path: Path) -> None:
    export(cache_of(tmp_path / "cache", [row(tmp_path, 1)]), "hf", tmp_path / "out")
    assert not (tmp_path / "out/records.jsonl").exists()
