"""What every test gives back: the pools it opened, and the environment it began with."""

import os
from collections.abc import Iterator
from unittest import mock

import pytest

from dataflow.pools.executor import DEFAULT_EXECUTOR


@pytest.fixture(autouse=True)
def _pools_end_with_their_test() -> Iterator[None]:
    yield
    DEFAULT_EXECUTOR.close()


@pytest.fixture(autouse=True)
def _environment_ends_with_its_test() -> Iterator[None]:
    with mock.patch.dict(os.environ):  # the guide's scripts set the key's variable
        yield
