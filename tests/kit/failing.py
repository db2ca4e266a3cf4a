"""Checks that a request fails with a failure of one kind."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dataflow.errors import AnswerError, Kind


@contextmanager
def fails(kind: Kind, match: str | None = None) -> Iterator[pytest.ExceptionInfo[AnswerError]]:
    """Check that the block raises an `AnswerError` of a kind, whose reason matches a pattern."""
    with pytest.raises(AnswerError, match=match) as caught:
        yield caught
    assert caught.value.failure.kind == kind
