"""Find out whether an exception of a library is the fault of one row, or would meet every row.

A pipeline refuses a picture of 1093 x 5, an image token in a prompt or a prompt of 7,883 tokens with whatever exception
its code happens to raise. So the exception itself tells nothing. Instead, a failed call of several rows is repeated row
by row. Where a single row fails and no row has succeeded recently, a plain row without anything odd is tried: if that
one fails too, no row is to blame, and the exception stops the run.
"""

from collections.abc import Callable, Sequence
from traceback import clear_frames
from typing import Generic, TypeVar

from dataflow.errors import Failure
from dataflow.serving.local.runtime import errors_of_the_card

Item = TypeVar("Item")
Made = TypeVar("Made")

_TRUST = 16  # rows that may fail one after another before a plain one is tried again
# What code raises for values that it did not expect. Our own errors (dataflow/errors.py) are of none of these classes.
_ROW_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    OSError,
)


class Faults(Generic[Item]):
    """Turns an exception that one item causes into that item's failure.

    Args:
        what: the part of the library in words, for the failure's reason, such as "the pipeline".
        plain: makes an item without anything odd, under the user's settings.
    """

    def __init__(self, what: str, plain: Callable[[], Item]) -> None:
        self._what = what
        self._plain = plain
        self._trust = 0  # single failures that are still blamed on their items without trying a plain one

    def run(self, items: Sequence[Item], call: Callable[[Sequence[Item]], Sequence[Made]]) -> "list[Made | Failure]":
        """Call the library with the items; return, in order, what it made of each, or the failure that it caused.

        Raises:
            torch.OutOfMemoryError, torch.AcceleratorError: unchanged, because they say nothing about an item.
            ValueError, TypeError, ...: what `call` raised, if it raises for a plain item too.
        """
        try:
            made: list[Made | Failure] = [*call(items)]
        except errors_of_the_card():
            raise
        except _ROW_ERRORS as error:
            if len(items) == 1:
                return [self._failure(error, call)]
        else:
            self._trust = _TRUST
            return made
        # Outside the handler, because an exception holds its frames, and the frames hold tensors.
        return [result for item in items for result in self.run([item], call)]

    def _failure(self, error: Exception, call: Callable[[Sequence[Item]], Sequence[object]]) -> Failure:
        """The failure of a single item; raises the error instead, if a plain item fails too."""
        if self._trust == 0:
            clear_frames(error.__traceback__)  # the frames hold tensors, and the plain item needs their memory
            try:
                call([self._plain()])
            except _ROW_ERRORS:
                raise error from None
            self._trust = _TRUST
        self._trust -= 1
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return Failure("retry", f"{self._what} cannot take this row: {message}"[:300], retries=0)
