"""What every test gives back: the pools it opened, and the environment it began with; and tiny models to ask for.

Nothing here needs torch until a test asks for a checkpoint: `make check` has none.
"""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from unittest import mock

import pytest

from dataflow.pools.executor import close_pools

# Under nohup or in the background of a shell they are ignored, and so they would be in what a test starts to stop it.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Leave what all tests share out of the collector's passes, torch and the tests themselves among it.

    One pass over it takes 0.3 s, and each local model that closes asks for one (2026-11).
    """
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Put it back: some libraries ask the collector who knows an object, and it does not look at what is left out."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _pools_end_with_their_test() -> Iterator[None]:
    yield
    close_pools()


@pytest.fixture(autouse=True)
def _environment_ends_with_its_test(tmp_path: Path) -> Iterator[None]:
    # The guide's scripts set the key's variable; digests of weights are kept in the user's cache.
    with mock.patch.dict(os.environ, XDG_CACHE_HOME=str(tmp_path / "user-cache")):
        yield


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny checkpoint by family, built once a session; copy it before changing it."""

    @cache
    def of(family: str) -> Path:
        from tests.kit import tiny

        folder: Path = getattr(tiny, family)(tmp_path_factory.mktemp("tiny") / family)
        return folder

    return of


@pytest.fixture(scope="session")
def text_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny language model by name, built once a session; copy it before changing it."""

    @cache
    def of(name: str) -> Path:
        from tests.kit import tiny_text

        folder: Path = getattr(tiny_text, name)(tmp_path_factory.mktemp(name))
        return folder

    return of
