"""Which rows are shown, and in what order."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from dataflow.view.catalogue import Catalogue
from dataflow.view.query import Query
from tests.kit.judged import STEP, found, judged_cache

Open = Callable[[Path], Catalogue]


@pytest.fixture
def catalogue_of() -> Iterator[Open]:
    with ExitStack() as ends:
        yield lambda folder: ends.enter_context(closing(Catalogue(folder, STEP))).read_all()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (Query(operation=("add",)), 3),
        (Query(operation=("add", "remove")), 6),
        (Query(outcome=("rejected",), fault=("judge: following",)), 2),
        (Query(least=8.0), 2),
        (Query(least=2.0, most=3.0), 2),
        (Query(text="THING 4"), 1),
        (Query(text="worth blue"), 8),
        (Query(text="nowhere"), 0),
        (Query(text="make\nthing"), 9),
        (Query(language=("en",)), 9),
        (Query(side="tries"), 16),
        (Query(side="tries", outcome=("rejected",)), 10),
        (Query(side="no_such"), 0),
    ],
)
def test_a_query_lets_through_what_it_names(tmp_path: Path, catalogue_of: Open, query: Query, count: int) -> None:
    assert catalogue_of(judged_cache(tmp_path)).find(query).total == count


def test_rows_are_sorted_over_files_and_those_without_a_score_go_last(tmp_path: Path, catalogue_of: Open) -> None:
    catalogue = catalogue_of(judged_cache(tmp_path))
    worst, best = (found(catalogue, Query(order=order)) for order in ("worst", "best"))
    assert worst[0] == f"{STEP}.rejected.jsonl:1"
    assert worst[-1] == best[-1] == f"{STEP}.jsonl:7"
    assert best[0] == f"{STEP}.jsonl:4"
    assert found(catalogue, Query(order="costly"))[-1] == f"{STEP}.jsonl:7"
