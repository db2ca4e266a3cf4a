"""What a script says of its last step counts what its percentages count."""

from dataflow.flow.summary import Summary
from dataflow.scripts.show import yield_lines


def test_accepted_rows_beyond_a_quota_count_as_accepted() -> None:
    summary = Summary(step=1, target="a.jsonl", rows=24, accepted=24, sides={"surplus": 4, "rejected": 6})
    verdicts = [{"accepted": True, "tries": 1 if number < 17 else 2} for number in range(28)]
    first, end, *_ = yield_lines(summary, verdicts)
    assert first == "accepted at the first try: 17 of 34 rows, 50%"
    assert end.startswith("accepted in the end: 28 of 34 rows, 82% (")
