"""What all local models need of torch: dtypes, memory, and batches that shrink until they fit into memory."""

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
    """Runs items in batches, and halves the largest batch whenever a batch does not fit into memory.

    Args:
        most: the largest number of items in a batch at the beginning.
        few_sizes: whether every batch has the largest number or one item, so that a compiled model meets two shapes.
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
        """Run the items in batches; return one result per item, in order.

        A batch that does not fit is halved, and no later batch is larger.

        Args:
            items: n items.
            call: makes the results of a batch.
            what: the items in words, for the log.
            too_large: makes the result of a single item that does not fit, from the item and torch's message.
            most: says how many items the next batch may have at most; None leaves that to the batches so far.
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
            # Outside the handler, because an exception holds its frames, and the frames hold tensors.
            give_back_memory()
            if len(batch) == 1:
                made.append(too_large(batch[0], reason))
            else:
                self._most = len(batch) // 2
                log.warning("out of memory for %d %s: from now on %d at a time", len(batch), what, self._most)
        return made


def dtype_name(given: object) -> str | None:
    """The name of a dtype that is given by name or as a `torch.dtype`; None for None."""
    return None if given is None else str(given).removeprefix("torch.")


def dtype_of(name: str | None, device: str) -> "dtype":
    """The dtype that a model is loaded in: the user's, else bfloat16 on accelerators and float32 on a CPU.

    Args:
        name: the user's dtype, by torch's name; None where the user chose none.
        device: torch's name.

    Raises:
        ConfigError: torch has no such dtype.
    """
    import torch

    chosen = getattr(torch, name or ("float32" if device == "cpu" else "bfloat16"), None)
    if not isinstance(chosen, torch.dtype):
        raise ConfigError(f"dtype={name!r} is none of torch's: use 'bfloat16', 'float16' or 'float32'")
    return chosen


def errors_of_the_card() -> tuple[type[Exception], ...]:
    """The exceptions that torch raises for the device, whatever it computes there."""
    import torch

    # torch has AcceleratorError since 2.8.
    return (torch.OutOfMemoryError, getattr(torch, "AcceleratorError", torch.OutOfMemoryError))


def give_back_memory() -> None:
    """Collect garbage, and give the GPU memory that torch holds unused back to the driver."""
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
    """Switch the loading bars of these libraries off inside the `with`: our own progress bar is the only one shown."""
    shown = [library for library in libraries if library.is_progress_bar_enabled()]
    for library in shown:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in shown:
            library.enable_progress_bar()
