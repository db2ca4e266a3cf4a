"""A replica that is lost is made again, and what was in it is asked again."""

import os
from pathlib import Path

import pytest

from dataflow.errors import WorkerDied
from tests.kit.clustered import ask, asked, run
from tests.kit.far import Far
from tests.kit.flow import column, prompts_storage

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600), pytest.mark.usefixtures("cluster")]


def test_a_replica_that_dies_loses_no_row(tmp_path: Path) -> None:
    prompts = [f"p{n}" for n in range(60)]
    prompts[20] = f"die {tmp_path / 'died'}"
    summary = run(tmp_path, prompts)
    assert (summary.rows, summary.failed) == (60, 0)
    assert [str(text).split("/")[0] for text in column(prompts_storage(tmp_path, prompts).step(), "answer")] == [
        prompt.split("/")[0] for prompt in prompts
    ]
    assert 1 <= asked(tmp_path).total() - 60 <= Far.limits.width


def test_a_worker_whose_replicas_keep_dying_stops_the_run() -> None:
    class Dying(Far):
        def settle(self) -> None:
            os._exit(9)

    with pytest.raises(WorkerDied, match=r"a replica of Far\(\) was lost .*4 times in a row"):
        ask(Dying(), "a")
