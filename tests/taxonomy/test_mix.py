"""A mix as a flag says it, and shared out."""

from collections import Counter

import pytest

from dataflow.errors import ConfigError
from dataflow.taxonomy.mix import counts_of, interleaved, read_mix
from dataflow.taxonomy.taxonomy import shipped_taxonomy


def test_a_mix_is_read() -> None:
    assert read_mix("recolour=2, remove=0.5") == {"recolour": 2.0, "remove": 0.5}


@pytest.mark.parametrize("said", ["recolour", "recolour=", "recolour=two", "recolour:2", ""])
def test_a_mix_that_is_said_otherwise_is_refused_with_an_example(said: str) -> None:
    with pytest.raises(ConfigError, match="such as recolour=2,remove=1"):
        read_mix(said)


def test_counts_add_up_to_the_total() -> None:
    counts = counts_of({"a": 0.5, "b": 0.3, "c": 0.2}, 7)
    assert counts == {"a": 4, "b": 2, "c": 1}


@pytest.mark.parametrize("n", [1, 7, 50, 333])
def test_for_every_number_of_rows_no_operation_is_off_by_a_whole_row(n: int) -> None:
    shares = shipped_taxonomy().shares()
    line = interleaved(shares)
    counts = Counter(next(line) for _ in range(n))
    assert max(abs(counts[name] - n * share) for name, share in shares.items()) < 1
