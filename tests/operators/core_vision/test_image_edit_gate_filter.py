"""The gates as a step: which edits go on, which are dropped and why, and what is measured again."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from dataflow.core.records import Row
from dataflow.errors import ConfigError
from dataflow.gates.limits import LIMITS
from dataflow.operators.core_vision import ImageEditGateFilter
from dataflow.taxonomy.taxonomy import read_taxonomy
from dataflow.utils.storage import FileStorage
from tests.kit.flow import column, read_rows, write_rows

SIZE = (96, 96)


def picture(path: Path, *, thing: str = "", at: int = 20, tint: int = 0, size: tuple[int, int] = SIZE) -> str:
    """Stripes, with a thing of some colour before them."""
    drawn = Image.new("RGB", size, (90 + tint, 90, 90))
    for x in range(0, size[0], 16):
        ImageDraw.Draw(drawn).rectangle((x, 0, x + 7, size[1]), fill=(150 + tint, 150, 150))
    if thing:
        ImageDraw.Draw(drawn).rectangle((at, at, at + 19, at + 19), fill=thing)
    drawn.save(path)
    return str(path)


@pytest.fixture
def made(tmp_path: Path) -> dict[str, str]:
    return {
        "source": picture(tmp_path / "source.png"),
        "same": picture(tmp_path / "same.png"),
        "added": picture(tmp_path / "added.png", thing="red"),
        "tinted": picture(tmp_path / "tinted.png", thing="red", tint=6),
        "wide": picture(tmp_path / "wide.png", thing="red", size=(128, 96)),
    }


def stored(tmp_path: Path, rows: list[Row]) -> FileStorage:
    return FileStorage(write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "cache")


def dropped(storage: FileStorage) -> list[tuple[object, str]]:
    return [(row["edited_images"], row["reason"]) for row in read_rows(storage.current.side("dropped"))]


def edits(made: dict[str, str], *names: str, **more: object) -> list[Row]:
    return [{"images": [made["source"]], "edited_images": [made[name]], **more} for name in names]


def test_edits_of_an_operation_pass_or_are_dropped_with_the_gate(tmp_path: Path, made: dict[str, str]) -> None:
    storage = stored(tmp_path, edits(made, "added", "same", "tinted", "wide", sub_type="add"))
    summary = ImageEditGateFilter().run(storage.step())
    assert column(storage, "edited_images") == [[made["added"]]]
    assert dropped(storage) == [([made["same"]], "no_op"), ([made["tinted"]], "cast"), ([made["wide"]], "size")]
    assert (summary.requests, summary.failed) == (4, 0)


def test_rows_without_an_operation_are_only_looked_at_for_change_and_shape(
    tmp_path: Path, made: dict[str, str]
) -> None:
    rows = [*edits(made, "added", "same", "tinted", "wide"), *edits(made, "tinted", sub_type="unheard_of")]
    storage = stored(tmp_path, rows)
    ImageEditGateFilter().run(storage.step())
    assert dropped(storage) == [([made["same"]], "no_op"), ([made["wide"]], "size")]
    ImageEditGateFilter(keeps="rest").run(storage.reset().step())
    assert [reason for _, reason in dropped(storage)] == ["no_op", "cast", "size", "cast"]


def test_several_sources_without_an_operation_may_become_anything_but_one_of_themselves(
    tmp_path: Path, made: dict[str, str]
) -> None:
    sources = [made["source"], made["wide"]]
    storage = stored(
        tmp_path,
        [{"images": sources, "edited_images": made["added"]}, {"images": sources, "edited_images": sources[1]}],
    )
    ImageEditGateFilter().run(storage.step())
    assert (column(storage, "edited_images"), dropped(storage)) == ([made["added"]], [(made["wide"], "no_op")])


def test_other_limits_drop_other_rows_and_measure_nothing_again(tmp_path: Path, made: dict[str, str]) -> None:
    storage = stored(tmp_path, edits(made, "added", "same", "tinted", sub_type="add"))
    assert ImageEditGateFilter().run(storage.step()).requests == 3
    lenient = ImageEditGateFilter(limits={"rest": replace(LIMITS["rest"], cast=8.0)})
    summary = lenient.run(storage.reset().step())
    assert (summary.requests, summary.reused, summary.rows) == (0, 3, 2)
    assert [reason for _, reason in dropped(storage)] == ["no_op"]


def test_of_several_results_those_that_pass_go_on(tmp_path: Path, made: dict[str, str]) -> None:
    results = [made["same"], made["added"], made["wide"]]
    storage = stored(tmp_path, [{"images": made["source"], "edited_images": results, "sub_type": "add"}])
    ImageEditGateFilter().run(storage.step())
    assert column(storage, "edited_images") == [[made["added"]]]
    assert dropped(storage) == [([made["same"], made["wide"]], "no_op, size")]


def test_what_changed_outside_a_mask_is_dropped_and_rows_may_lack_one(tmp_path: Path, made: dict[str, str]) -> None:
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).rectangle((60, 60, 90, 90), fill=255)
    mask.save(tmp_path / "elsewhere.png")
    mask.paste(255, (10, 10, 50, 50))
    mask.save(tmp_path / "here.png")
    rows = [edits(made, "added", mask=name)[0] for name in ("elsewhere.png", ["here.png"], None)]
    rows += edits(made, "added")
    storage = stored(tmp_path, rows)
    ImageEditGateFilter().run(storage.step(), input_mask_key="mask")
    assert [row["mask"] for row in read_rows(storage.current.side("dropped"))] == [str(tmp_path / "elsewhere.png")]
    assert len(column(storage, "images")) == 3


def test_a_broken_picture_fails_its_row_alone(tmp_path: Path, made: dict[str, str]) -> None:
    (tmp_path / "broken.png").write_bytes(Path(made["added"]).read_bytes()[:200])
    rows = edits({**made, "broken": str(tmp_path / "broken.png")}, "added", "broken", sub_type="add")
    storage = stored(tmp_path, [*rows, {"images": [made["source"]], "edited_images": []}])
    summary = ImageEditGateFilter().run(storage.step())
    assert (summary.rows, summary.failed, dropped(storage)) == (1, 2, [])


def test_columns_and_operations_have_the_names_that_they_are_given(tmp_path: Path, made: dict[str, str]) -> None:
    own = (Path(__file__).parents[3] / "dataflow/demo/taxonomy.yaml").read_text(encoding="utf-8")
    (tmp_path / "own.yaml").write_text(own.replace("    add:", "    put:"), encoding="utf-8")
    rows = [{"before": made["source"], "after": made["tinted"], "kind": "put"}]
    storage = stored(tmp_path, rows)
    ImageEditGateFilter(taxonomy=read_taxonomy(tmp_path / "own.yaml")).run(
        storage.step(), input_image_key="before", input_edited_image_key="after", input_operation_key="kind"
    )
    assert [row["reason"] for row in read_rows(storage.current.side("dropped"))] == ["cast"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"keeps": "all of it"}, "keeps has 'all of it'"),
        ({"limits": {"style": LIMITS["scene"]}}, "limits has 'style'"),
        ({"limits": {"rest": 3}}, "limits"),
    ],
)
def test_what_nothing_keeps_is_told_before_anything_is_read(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ImageEditGateFilter(**settings)  # type: ignore[arg-type]


def test_a_dry_run_counts_one_measurement_a_result(tmp_path: Path, made: dict[str, str]) -> None:
    first = stored(tmp_path, edits(made, "added", "same")).first_entry_file_name
    summary = ImageEditGateFilter().run(FileStorage(first, tmp_path / "cache", dry_run=True).step())
    assert summary.estimate is not None
    assert summary.estimate.remaining == 2
