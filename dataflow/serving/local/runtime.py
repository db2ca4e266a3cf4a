"""What local models of every kind share of torch: dtypes, memory, and batches that shrink until they fit."""

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from dataflow.errors import ConfigError

if TYPE_CHECKING:
    from torch import dtype

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Made = TypeVar("Made")


class ShrinkingBatch:
    """A largest batch, halved whenever one does not fit into memory.

    Args:
        most: items in a batch to begin with.
        few_sizes: a batch has the largest size or one item, so that a compiled model meets two shapes, not many.
    """

    def __init__(self, most: int, *, few_sizes: bool = False) -> None:
        self._most = most
        self._few_sizes = few_sizes

    def run(
        self,
        items: Sequence[Item],
        call: Callable[[Sequence[Item]], Sequence[Made]],
        *,
        what: str,
        too_large: Callable[[Item, str], Made],
        most: Callable[[], int] | None = None,
    ) -> list[Made]:
        """One result per item, in order.

        A batch that does not fit is halved, and no later one is larger.

        Args:
            items: n of them.
            call: makes the results of a batch.
            what: the items in words, for the log.
            too_large: the result of a single item that does not fit, of the item and torch's words.
            most: items in the next batch, where that is fewer than a batch may have.
        """
        import torch

        made: list[Made] = []
        while len(made) < len(items):
            whole = self._most if most is None else min(self._most, most())
            size = 1 if self._few_sizes and len(items) - len(made) < whole else whole
            batch = items[len(made) : len(made) + size]
            try:
                made += call(batch)
                continue
            except torch.OutOfMemoryError as error:
                reason = str(error).partition("\n")[0][:300]
            # Outside the handler: the exception holds the frames in it, and those the tensors.
            give_back_memory()
            if len(batch) == 1:
                made.append(too_large(batch[0], reason))
            else:
                self._most = len(batch) // 2
                log.warning("out of memory for %d %s: from now on %d at a time", len(batch), what, self._most)
        return made


def dtype_name(given: object) -> str | None:
    """The name of a dtype, given by its name or as torch's own."""
    return None if given is None else str(given).removeprefix("torch.")


def dtype_of(name: str | None, device: str) -> "dtype":
    """bfloat16 on accelerators, float32 on a CPU, unless the user chose.

    Raises:
        ConfigError: torch has no such type.
    """
    import torch

    chosen = getattr(torch, name or ("float32" if device == "cpu" else "bfloat16"), None)
    if not isinstance(chosen, torch.dtype):
        raise ConfigError(f"dtype={name!r} is none of torch's: use 'bfloat16', 'float16' or 'float32'")
    return chosen


def errors_of_the_card() -> tuple[type[Exception], ...]:
    """What torch raises over a device, whatever it computes."""
    import torch

    return (torch.OutOfMemoryError, getattr(torch, "AcceleratorError", torch.OutOfMemoryError))  # since 2.8


def give_back_memory() -> None:
    """Return what torch holds but does not use."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class Bars(Protocol):
    """The logging module of a library that shows loading bars."""

    def is_progress_bar_enabled(self) -> bool: ...  # noqa: D102 - the library's

    def disable_progress_bar(self) -> None: ...  # noqa: D102

    def enable_progress_bar(self) -> None: ...  # noqa: D102


@contextmanager
def no_bars(*libraries: Bars) -> Iterator[None]:
    """Loading bars of these libraries off meanwhile; ours is the only one."""
    shown = [library for library in libraries if library.is_progress_bar_enabled()]
    for library in shown:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in shown:
            library.enable_progress_bar()
