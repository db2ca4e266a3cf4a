"""A report is one file that loads nothing, within its size, and tells no path of the machine that wrote it."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from dataflow.errors import ConfigError
from dataflow.view.catalogue import Catalogue
from dataflow.view.labelling import SampleOptions
from dataflow.view.report import write_report, write_sample
from tests.kit.judged import HELD, STEP, judged_cache, row_of, verdict_of, write_rows


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with closing(Catalogue(judged_cache(tmp_path / "run", accepted=30, rejected=6), STEP)) as opened:
        yield opened.read_all()


def test_a_report_holds_rows_of_every_outcome_and_their_pictures(catalogue: Catalogue, tmp_path: Path) -> None:
    assert write_report(catalogue, tmp_path / "report.html", most=20) == 20
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    held = json.loads(HELD.findall(text)[0])
    assert {row["outcome"] for row in held["rows"]} == {"accepted", "rejected"}
    assert held["total"] == 37
    assert held["overview"]["counts"]["outcome"]["accepted"] == 30, "the sums are those of all rows"
    for row in held["rows"]:
        for edit in row["edits"]:
            assert held["pictures"][held["places"][f"{edit['place']}/after/{edit['number']}"]].startswith(
                "data:image/png"
            )
    assert str(tmp_path) not in text


def test_photographs_are_made_as_small_as_there_is_room(tmp_path: Path) -> None:
    noise = Image.effect_noise((1600, 1200), 90).convert("RGB")
    (tmp_path / "photos").mkdir()
    rows = []
    for number in range(24):
        paths = [tmp_path / "photos" / f"{number}{name}.jpg" for name in "ab"]
        for path in paths:
            noise.crop((number, 0, 1300 + number, 1000)).save(path, quality=90)
        rows.append(row_of(tmp_path, number, images=[str(paths[0])], edited_images=[str(paths[1])]))
    write_rows(tmp_path / f"{STEP}.jsonl", rows)
    with closing(Catalogue(tmp_path, STEP)) as opened:
        write_report(opened.read_all(), tmp_path / "report.html")
    assert 5e6 < (tmp_path / "report.html").stat().st_size < 20e6


def test_a_sample_says_nothing_of_verdicts(catalogue: Catalogue, tmp_path: Path) -> None:
    count = write_sample(catalogue, tmp_path / "sample.html", SampleOptions(count=20))
    text = (tmp_path / "sample.html").read_text(encoding="utf-8")
    held = json.loads(HELD.findall(text)[0])
    assert count == len(held["sample"]["showings"]) == 30
    assert held["rows"] == []
    assert str(tmp_path) not in text, "the file is sent to somebody, and so are the labels"
    assert all(re.fullmatch(r"edit\d+_\d\.png", each["line"]["path"]) for each in held["sample"]["showings"])
    words = HELD.findall(text)[0]
    assert not any(word in words for word in ('"axes"', '"critique"', "worth", '"accepted":3'))
    assert {each["line"]["sample"]["stratum"] for each in held["sample"]["showings"]} == {"upper", "lower"}


def test_reasons_and_critiques_tell_no_folder(tmp_path: Path) -> None:
    folder = judged_cache(tmp_path / "run")
    said = f"`images`: {tmp_path}/run/a.png is neither in {tmp_path}/run nor beside https://host/rows/x.jsonl, and/or"
    errors = folder / f"{STEP}.errors.jsonl"
    write_rows(errors, [json.loads(errors.read_text()) | {"reason": said}])
    judged = row_of(folder, 0, verdict=verdict_of(2, critique=f"{tmp_path}/b.png is dark"))
    write_rows(folder / f"{STEP}.jsonl", [judged, row_of(folder, 8, edited_images=[], verdict=[])])
    write_rows(errors, [json.loads(errors.read_text()) | {"row": 1}])
    with closing(Catalogue(folder, STEP)) as opened:
        write_report(opened.read_all(), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert "`images`: a.png is neither in run nor beside https://host/rows/x.jsonl, and/or" in text
    assert "b.png is dark" in text


def test_a_row_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("password: 123\n")
    (tmp_path / f"{STEP}.jsonl").symlink_to(tmp_path / "secret")
    with closing(Catalogue(tmp_path, STEP)) as opened:
        assert write_report(opened.read_all(), tmp_path / "report.html") == 1
    text = (tmp_path / "report.html").read_text()
    assert f"{STEP}.jsonl:1: not valid JSON" in text
    assert "password" not in text


def test_a_step_without_a_row_has_no_report(tmp_path: Path) -> None:
    (tmp_path / f"{STEP}.jsonl").touch()
    with closing(Catalogue(tmp_path, STEP)) as opened, pytest.raises(ConfigError, match="no row yet"):
        write_report(opened.read_all(), tmp_path / "report.html")


def test_folders_with_spaces_and_of_models_are_not_told(tmp_path: Path) -> None:
    folder = judged_cache(tmp_path / "my photos of o'neil" / "run", failed=0)
    edit = row_of(folder, 0)["edited_images"][0]  # type: ignore[index]
    said = f"no picture '{edit}' at {edit} nor {folder}; {Path.home()}/keys/a b.txt"
    row = row_of(folder, 0, verdict=verdict_of(2, critique=said), source=edit, id=f"{folder}/x y.png")
    write_rows(folder / f"{STEP}.jsonl", [row])
    meta = {"made_by": {"editor": {"model": f"{tmp_path}/models of jan/flux"}}}
    (folder / f"{STEP}.meta.json").write_text(json.dumps(meta))
    with closing(Catalogue(folder, STEP)) as opened:
        write_report(opened.read_all(), tmp_path / "report.html")
        write_sample(opened, tmp_path / "sample.html", SampleOptions(count=4))
    for name in ("report", "sample"):
        text = HELD.findall((tmp_path / f"{name}.html").read_text(encoding="utf-8"))[0]
        for word in (tmp_path.name, "photos of", "models of", "pictures/", "keys"):
            assert word not in text, (name, word)
    assert '"editor","flux"' in HELD.findall((tmp_path / "report.html").read_text(encoding="utf-8"))[0]
