"""What runs in batches at a provider stays reserved when its run is stopped, and is reserved once."""

import os
import signal
from pathlib import Path

import pytest

from dataflow.errors import Interrupted, MaxCostReached
from dataflow.flow.summary import Summary
from dataflow.journal.journal import Journal
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.pools.executor import close_pools
from dataflow.utils.storage import FileStorage
from tests.kit.batch_edits import serving_of
from tests.kit.flow import draw, journal_entries, write_rows
from tests.kit.loopback_batches import BatchServer

EACH = 50_000_000  # half of a price of 0.1, in billionths
ROWS = 4
LIMIT = ROWS * EACH / 1e9


def edit(server: BatchServer, folder: Path, name: str, max_cost: float = LIMIT) -> Summary:
    """Edit one of two inputs into the same directory, in a pool of its own, as a run of its own would."""
    picture = str(draw(folder / f"{name}.png"))
    rows = [{"images": [picture], "conversations": f"{name} {number}"} for number in range(ROWS)]
    source = write_rows(folder / f"{name}.jsonl", rows)
    storage = FileStorage(source, folder / "cache", name, prices={"loopback": {"image": 0.1}}, max_cost=max_cost)
    try:
        serving = serving_of(server.url, folder, "images")
        return PromptedImageEditGenerator(serving).run(storage.step(), output_image_key="edited_images")
    finally:
        close_pools()


def stop_at_second_look(server: BatchServer) -> None:
    def hook(stage: str, when: str) -> bool:
        if (stage, when, server.stages["look"]) == ("look", "after", 2):
            os.kill(os.getpid(), signal.SIGINT)
        return False

    server.hook = hook


def money(folder: Path, *, fill: bool) -> tuple[int, int, int]:
    """Spent, unsure and reserved, by the index as it lies there, or filled again from the journal."""
    if fill:
        (folder / "cache/.dataflow/index.sqlite").unlink()
    with Journal.opened(folder / "cache") as journal:
        known = journal.index.money
        return known.spent, known.unsure, known.reserved


def stopped(server: BatchServer, folder: Path) -> None:
    stop_at_second_look(server)
    with pytest.raises(Interrupted):
        edit(server, folder, "one")
    server.hook = lambda stage, when: False
    server.looks = 0


@pytest.mark.parametrize("fill", [False, True])
def test_a_stopped_run_keeps_the_money_of_its_batches_reserved_and_the_next_takes_their_answers(
    tmp_path: Path, fill: bool
) -> None:
    with BatchServer(looks=10**6) as server:
        stopped(server, tmp_path)
        assert money(tmp_path, fill=fill) == (0, 0, ROWS * EACH)
        with pytest.raises(MaxCostReached):
            edit(server, tmp_path, "two")
        assert server.submitted.total() == ROWS
        summary = edit(server, tmp_path, "one")
        assert (summary.failed, summary.maybe_paid) == (0, 0)
        assert server.submitted.total() == ROWS
    assert money(tmp_path, fill=fill) == (ROWS * EACH, 0, 0)


def test_a_lower_limit_does_not_keep_from_taking_what_is_paid_for(tmp_path: Path) -> None:
    with BatchServer(looks=10**6) as server:
        stopped(server, tmp_path)
        assert edit(server, tmp_path, "one", max_cost=EACH / 1e9).failed == 0
        assert server.submitted.total() == ROWS


def test_the_journal_says_what_goes_on_and_who_takes_its_answer(tmp_path: Path) -> None:
    with BatchServer(looks=10**6) as server:
        stopped(server, tmp_path)
        edit(server, tmp_path, "one")
    entries = journal_entries(tmp_path / "cache")
    left = [entry for entry in entries if entry["t"] == "fail"]
    assert {(entry["goes_on"], entry["cost"]) for entry in left} == {(True, None)}
    starts = [entry.get("resumes", False) for entry in entries if entry["t"] == "start"]
    assert starts == [False] * ROWS + [True] * ROWS
