"""What tests of pools share."""

from collections.abc import Iterator

import pytest

from dataflow.pools.executor import LocalExecutor


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    """An executor of the test's own, closed behind it."""
    made = LocalExecutor()
    yield made
    made.close()
