import io
from pathlib import Path

import pytest

from dataflow.cli.main import main
from dataflow.io import ImageIO
from dataflow.journal.journal import Journal
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage
from tests.kit.loopback import LoopbackServer

PICTURE = Path(__file__).parent.parent.parent / "example_data/image_gen/image_edit/image8.png"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache whose step names one picture of the two that were made."""
    rows, cache = tmp_path / "rows.jsonl", tmp_path / "cache"
    with LoopbackServer() as server:
        images = ImageIO(str(cache / "images"))
        editor = PromptedImageEditGenerator(APIVLMServing_openai(server.url, model_name="m", image_io=images))
        for prompt in ("one", "another"):
            rows.write_text(f'{{"images": "{PICTURE}", "conversations": "{prompt}"}}\n')
            editor.run(FileStorage(rows, cache).step())
    (cache / "images" / ".half.png.tmp").write_text("")
    return cache


def pictures(cache: Path) -> int:
    return sum(1 for _ in cache.rglob("*.png"))


def test_what_no_step_names_is_removed(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (kept,) = FileStorage("x", cache).step().target.read_text().split('"edited_images":["')[1:]
    assert pictures(cache) == 2
    assert main(["clean", str(cache), "--yes"]) == 0
    assert pictures(cache) == 1
    assert Path(kept.split('"')[0]).exists()
    assert not list(cache.rglob("*.tmp"))
    assert "Removed 2 files." in capsys.readouterr().out
    (cache / ".half.tmp").write_text("")
    assert main(["clean", str(cache), "--yes"]) == 0
    said = capsys.readouterr().out
    assert "1 file (0.0 MB) that no step refers to, such as " in said
    assert "Removed 1 file." in said
    assert main(["clean", str(cache)]) == 0
    assert "nothing to remove" in capsys.readouterr().out


def test_what_a_side_output_names_stays(cache: Path) -> None:
    (unnamed,) = (
        path for path in cache.rglob("*.png") if path.name not in FileStorage("x", cache).step().target.read_text()
    )
    FileStorage("x", cache).step().side("hard").write_text(f'{{"edited_images": ["{unnamed}"]}}\n')
    assert main(["clean", str(cache), "--yes"]) == 0
    assert pictures(cache) == 2


def test_an_unfinished_step_keeps_every_picture(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished = cache / "dataflow_cache_step_step2.jsonl.part"
    errors = cache / "dataflow_cache_step_step2.errors.jsonl.part"
    for part in (unfinished, errors):
        part.write_text("{}\n")
    assert main(["clean", str(cache), "--yes"]) == 0
    assert (pictures(cache), unfinished.exists(), list(cache.rglob("*.tmp"))) == (2, True, [])
    assert f"{unfinished}: an unfinished step. Every picture stays" in capsys.readouterr().out
    unfinished.unlink()
    assert main(["clean", str(cache), "--yes"]) == 0
    assert (pictures(cache), errors.exists()) == (1, False)


def test_rows_that_an_import_writes_meanwhile_stay(cache: Path) -> None:
    parts = [cache / "rows.jsonl.part", cache / "rows.errors.jsonl.part"]
    for part in parts:
        part.touch()
    assert main(["clean", str(cache), "--yes"]) == 0
    assert all(part.exists() for part in parts)


def test_it_asks_first(cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert main(["clean", str(cache)]) == 0
    assert pictures(cache) == 2
    monkeypatch.undo()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["clean", str(cache)]) == 1
    assert "nothing was removed: give --yes" in capsys.readouterr().err
    assert pictures(cache) == 2


def test_another_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", str(tmp_path)]) == 1
    assert "is no cache directory" in capsys.readouterr().err


def test_pictures_that_a_shard_names_stay_and_all_of_them_while_one_is_unfinished(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = cache / "shard-000-of-001"
    shard.mkdir()
    target = FileStorage("x", cache).step().target
    moved = target.rename(shard / target.name)
    unfinished = shard / "dataflow_cache_step_step2.jsonl.part"
    unfinished.write_text("")
    assert main(["clean", str(cache), "--yes"]) == 0
    assert pictures(cache) == 2
    assert f"{unfinished}: an unfinished step" in capsys.readouterr().out
    unfinished.unlink()
    with Journal.opened(shard):
        assert main(["clean", str(cache), "--yes"]) == 1
    assert "shard-000-of-001 is in use by process" in capsys.readouterr().err
    assert pictures(cache) == 2
    assert main(["clean", str(cache), "--yes"]) == 0
    assert pictures(cache) == 1
    assert str(next(cache.rglob("*.png"))) in moved.read_text()
