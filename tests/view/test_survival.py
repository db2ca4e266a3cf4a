"""The sums above the rows count every row once, wherever it stands."""

from contextlib import closing
from pathlib import Path

from dataflow.view.catalogue import Catalogue
from dataflow.view.survival import overview_of
from tests.kit.judged import STEP, judged_cache, write_rows


def test_rows_that_stand_in_the_errors_alone_are_counted_by_operation(tmp_path: Path) -> None:
    judged_cache(tmp_path, accepted=3, rejected=0, failed=1)
    failed = [{"row": at, "class": "row", "reason": "no picture", "fields": {"sub_type": "add"}} for at in (3, 4, 5)]
    write_rows(tmp_path / f"{STEP}.errors.jsonl", failed)
    with closing(Catalogue(tmp_path, STEP)) as catalogue:
        overview = overview_of(catalogue.read_all(), None)
    assert overview["counts"]["outcome"] == {"accepted": 3, "failed": 3}
    sums = {each["name"]: (each["rows"], each["accepted"], each["failed"]) for each in overview["operations"]}
    assert sums == {"add": (4, 1, 3), "remove": (1, 1, 0), "recolour": (1, 1, 0)}
