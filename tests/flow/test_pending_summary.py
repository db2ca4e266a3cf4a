"""What `run()` returns of a step that still runs: it waits when it is looked at, and is a summary for whoever does."""

import asyncio
import pickle
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from pprint import pformat

from dataflow.core.records import Answer, Job
from dataflow.flow.summary import Summary
from tests.flow.test_overlap import NAME, Slow, at_once, chain
from tests.kit.flow import prompts_storage
from tests.kit.paid import PRICES, Paid
from tests.kit.workers import Echo


def test_what_run_returns_waits_for_its_step_when_it_is_looked_at(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    with storage.overlapped():
        first, second = chain(storage, Slow(), Slow())
        assert isinstance(first, Summary)
        assert not storage.current.target.exists()
        assert (second.rows, first.rows) == (2, 2)
        assert storage.current.target.exists()
        (third,) = chain(storage, Slow(), first="answer2")
    assert str(third).startswith("step 3: 2 rows")


def test_what_run_returns_is_compared_copied_and_stored_as_a_summary(tmp_path: Path) -> None:
    (made,) = at_once(prompts_storage(tmp_path, ["a", "b"]), Echo())
    stored = pickle.loads(pickle.dumps(made))
    assert (type(stored), type(deepcopy(made))) == (Summary, Summary)
    assert made == stored == made != replace(made, rows=9)
    assert (asdict(made)["rows"], pformat([made], width=20).count("2 rows")) == (2, 1)


def test_what_another_step_has_in_flight_is_not_of_unknown_cost(tmp_path: Path) -> None:
    class Held(Paid):
        async def answer(self, job: Job) -> Answer:
            while not (tmp_path / f"cache/{NAME}1.meta.json").exists():
                await asyncio.sleep(0.005)
            return await super().answer(job)

    storage = prompts_storage(tmp_path, [f"p{number:03}" for number in range(30)], prices=PRICES)
    first, second = at_once(storage, Paid(width=50), Held(width=4))
    assert (first.unsure, second.unsure) == (0, 0)
    assert "of unknown cost" not in str(first)
