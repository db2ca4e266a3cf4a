"""Closes the pools that a test opened, so that no worker outlives its test."""

from collections.abc import Iterator

import pytest

from dataflow.pools.executor import DEFAULT_EXECUTOR


@pytest.fixture(autouse=True)
def _pools_end_with_their_test() -> Iterator[None]:
    yield
    DEFAULT_EXECUTOR.close()
