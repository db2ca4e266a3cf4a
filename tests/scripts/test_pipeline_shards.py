"""An example pipeline in shards, by its flag: what it makes is what one run makes."""

from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from dataflow.journal.picture_facts import KnownPictures
from dataflow.shards import merge
from tests.kit.flow import journal_entries, read_rows, write_rows
from tests.kit.here import run_here
from tests.kit.loopback import LoopbackServer
from tests.kit.sharded import step_files

EDIT = "image_editing_pipeline.py"
ACCEPTED = "accepted_image_editing_pipeline.py"
PICTURE = Path(__file__).parent.parent.parent / "example_data/image_gen/image_edit/image8.png"


def answers(cache: Path) -> list[str]:
    return [entry["id"] for entry in journal_entries(cache) if entry["t"] == "got"]


def pictures(cache: Path) -> dict[str, bytes]:
    return {path.relative_to(cache).as_posix(): path.read_bytes() for path in cache.glob("target_images/*/*.*")}


def test_a_pipeline_takes_its_shard_by_a_flag_and_pictures_lie_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path / "rows.jsonl", [{"images": str(PICTURE), "conversations": f"Edit {n}."} for n in range(8)])
    with LoopbackServer() as server:
        run = partial(run_here, monkeypatch, EDIT, tmp_path, "--input", "rows.jsonl", "--api_url", server.url)
        for shard in ("0/2", "1/2"):
            assert run("--cache_path", "cache", "--shard", shard) == 0
            said = capsys.readouterr().out
            assert f"shard: {shard}, in cache/shard-00{shard[0]}-of-002" in said
            assert "when all 2 shards are finished: dataflowmm merge cache\n" in said
            assert "dataflowmm export" not in said
        assert run("--cache_path", "cache", "--shard", "2/2") == 1
        assert "the last 1/2" in capsys.readouterr().err
        merge(tmp_path / "cache")
        assert run("--cache_path", "cache") == 0
        assert "0 requests sent, 8 answered before" in capsys.readouterr().out
        with KnownPictures(tmp_path / "cache").opened() as known:
            assert known.facts(str(PICTURE)) is not None  # from a shard's index: it is not read again
        (tmp_path / "cache").rename(tmp_path / "moved")
        assert run("--cache_path", "moved") == 0
        assert "0 requests sent, 8 answered before" in capsys.readouterr().out
        (tmp_path / "moved").rename(tmp_path / "cache")
        assert server.requests == 8
    rows = read_rows(tmp_path / "cache" / "dataflow_cache_step_step1.jsonl")
    assert [row["conversations"] for row in rows] == [f"Edit {n}." for n in range(8)]
    assert len(pictures(tmp_path / "cache")) == 8


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("script", [EDIT, ACCEPTED])
def test_the_demo_in_four_shards_makes_the_ids_and_bytes_of_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    flags = ("--serving_type", "demo", "--cache_path")
    assert run_here(monkeypatch, script, tmp_path, *flags, str(whole)) in (0, 3)
    for index in range(4):
        assert run_here(monkeypatch, script, tmp_path, *flags, str(parts), "--shard", f"{index}/4") in (0, 3)
    merge(parts)
    assert step_files(parts) == step_files(whole)
    assert pictures(parts) == pictures(whole)
    ids, once = Counter(answers(parts)), Counter(answers(whole))
    assert ids.keys() == once.keys()
    canaries = [each for each, times in ids.items() if times > 1]  # each shard asks its judge about them
    assert {ids[each] for each in canaries} <= {4}
    assert len(canaries) == (0 if script == EDIT else 6)
