"""A mix as a flag says it, and shared out."""

import pytest

from dataflow.errors import ConfigError
from dataflow.taxonomy.mix import counts_of, read_mix


def test_a_mix_is_read() -> None:
    assert read_mix("recolour=2, remove=0.5") == {"recolour": 2.0, "remove": 0.5}


@pytest.mark.parametrize("said", ["recolour", "recolour=", "recolour=two", "recolour:2", ""])
def test_a_mix_that_is_said_otherwise_is_refused_with_an_example(said: str) -> None:
    with pytest.raises(ConfigError, match="such as recolour=2,remove=1"):
        read_mix(said)


def test_counts_add_up_to_the_total() -> None:
    counts = counts_of({"a": 0.5, "b": 0.3, "c": 0.2}, 7)
    assert counts == {"a": 4, "b": 2, "c": 1}
