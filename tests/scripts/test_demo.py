"""`--serving_type demo` on the real local path, with a tiny untrained checkpoint of 64 x 64 pixels for a model."""

from pathlib import Path

import pytest
from PIL import Image

from tests.kit.flow import draw, read_rows, write_rows
from tests.kit.here import run_here
from tests.kit.tiny import flux_parts, kl_vae, saved

EDIT = "image_editing_pipeline.py"
DRAW = "text_to_image_generation_pipeline.py"
SEVERAL = "multi_images_to_image_generation_pipeline.py"
CACHE = Path("cache_local")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    from diffusers import FluxKontextPipeline

    parts = flux_parts(guidance=False) | {"vae": kl_vae(sample_size=64)}
    return str(saved(FluxKontextPipeline(**parts), tmp_path_factory.mktemp("demo") / "model"))


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


@pytest.mark.parametrize(
    ("script", "folders", "totals"),
    [
        (EDIT, {"image_editing/target_images": 3}, ["edited_images: 0 of 3 right"]),
        (DRAW, {"text_to_image/condition_images": 3}, ["images: 0 of 3 right"]),
        (
            SEVERAL,
            {
                "multi_subjects_driven_image_generation/condition_images": 6,
                "multi_subjects_driven_image_generation/target_images": 3,
            },
            ["input_image: 0 of 6 right", "output_image: 0 of 3 right"],
        ),
    ],
)
def test_each_pipeline_runs_its_demo_rows_and_says_what_came_out_right(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: str,
    script: str,
    folders: dict[str, int],
    totals: list[str],
) -> None:
    models = ["--model", model, *(["--t2i_model", model] if script == SEVERAL else [])]
    assert run_here(monkeypatch, script, tmp_path, "--serving_type", "demo", "--limit", "3", *models) == 0
    said = capsys.readouterr().out
    for folder, count in folders.items():
        assert [size_of(path) for path in (CACHE / folder).rglob("*.png")] == [(64, 64)] * count
    assert [line for line in said.splitlines() if line.endswith(" right")] == totals
    columns = "instruction, after" if script == DRAW else "before, instruction, after"
    assert f"\n{columns}: {CACHE / next(iter(folders)).partition('/')[0] / 'contact_sheet.png'}" in said


def test_a_second_run_asks_nothing_and_prints_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    flags = ("--serving_type", "demo", "--limit", "2", "--model", model)
    tables = []
    for _ in range(2):
        assert run_here(monkeypatch, EDIT, tmp_path, *flags) == 0
        said = capsys.readouterr().out
        tables.append(said.partition("instruction")[2])
    assert "0 requests sent, 2 answered before" in said
    assert tables[0] == tables[1]


def test_ones_own_pictures_and_words_are_edited_too_and_judged_by_nobody(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    model: str,
) -> None:
    draw(tmp_path / "wide.png", size=(320, 180))
    draw(tmp_path / "small.png", "blue", size=(20, 20))
    rows = [
        {"images": "wide.png", "conversations": "Make it a rainy evening."},
        {"images": ["small.png", "wide.png"], "conversations": "把两张图放在一起。"},
    ]
    write_rows(tmp_path / "rows.jsonl", rows)
    flags = ("--serving_type", "demo", "--model", model, "--input", "rows.jsonl")
    assert run_here(monkeypatch, EDIT, tmp_path, *flags) == 0
    said = capsys.readouterr().out
    warned = [each.getMessage() for each in caplog.records if each.name == "dataflow.scripts.options"]
    assert warned == ["the demo model knows drawn shapes only: of the photographs in rows.jsonl it makes smears"]
    assert "2 rows, 0 failed" in said
    assert " right" not in said
    made = [Path(row["edited_images"][0]) for row in read_rows(CACHE / "image_editing/dataflow_cache_step_step1.jsonl")]
    assert [size_of(path) for path in made] == [(80, 48), (64, 64)]


def test_a_name_on_the_hub_is_no_demo_and_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--serving_type", "demo", "--model", "black-forest-labs/FLUX.1-dev")
    assert run_here(monkeypatch, EDIT, tmp_path, *flags) == 1
    assert "there is no folder black-forest-labs/FLUX.1-dev: a demo takes the folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
