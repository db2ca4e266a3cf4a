"""The tokenizer knows every word of the drawn world."""

import pytest

from benchmarks.demo_model.tokenizer import LENGTH, UNKNOWN_ID, build_tokenizer
from dataflow.demo.edits import SHARES, make_example


@pytest.mark.parametrize("operation", SHARES)
def test_every_instruction_is_known_and_short_enough(operation):
    tokenizer = build_tokenizer()
    for split in ("seen", "new_pair", "new_phrasing"):
        for index in range(50):
            ids = tokenizer(make_example(5, index, split=split, operation=operation).instruction).input_ids
            assert UNKNOWN_ID not in ids
            assert len(ids) <= LENGTH
