"""Expecting a request to fail, of one kind and not another."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dataflow.errors import AnswerError, Kind


@contextmanager
def fails(kind: Kind, match: str | None = None) -> Iterator[pytest.ExceptionInfo[AnswerError]]:
    """That the block raises an `AnswerError` of this kind, whose reason matches."""
    with pytest.raises(AnswerError, match=match) as caught:
        yield caught
    assert caught.value.failure.kind == kind
