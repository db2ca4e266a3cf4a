"""Whose fault an exception of a library is: that of one row, or of all.

A pipeline refuses a picture of 1093 x 5, an image token in a prompt or a prompt of 7,883 tokens by whatever its code
happens to raise. So nothing is read out of the exception. A call of several rows is made again row by row, and where
nothing has come out yet, or not for long, a plain row of ours is tried: if even that one fails, no row is to blame.
"""

from collections.abc import Callable, Sequence
from traceback import clear_frames
from typing import Generic, TypeVar

from dataflow.errors import Failure
from dataflow.serving.local.runtime import errors_of_the_card

Item = TypeVar("Item")
Made = TypeVar("Made")

_TRUST = 16  # rows that may fail one after another before a plain one is tried again
# What code raises over values that it did not expect. Errors of ours are none of these.
_OF_A_ROW = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError, RuntimeError, OSError)


class Faults(Generic[Item]):
    """Turns the exception that one item causes into that item's failure.

    Args:
        what: the library's part in words, for the reason: "the pipeline".
        plain: an item without anything odd, as the user's settings ask for it.
    """

    def __init__(self, what: str, plain: Callable[[], Item]) -> None:
        self._what = what
        self._plain = plain
        self._trust = 0

    def run(self, items: Sequence[Item], call: Callable[[Sequence[Item]], Sequence[Made]]) -> "list[Made | Failure]":
        """What `call` makes of the items, in order; a failure for each that it raises over.

        Raises:
            torch.OutOfMemoryError, torch.AcceleratorError: as they are; they say nothing about an item.
            ValueError, TypeError, ...: as `call`, where it raises over a plain item too.
        """
        try:
            made: list[Made | Failure] = [*call(items)]
        except errors_of_the_card():
            raise
        except _OF_A_ROW as error:
            if len(items) == 1:
                return [self._failure(error, call)]
        else:
            self._trust = _TRUST
            return made
        # Outside the handler: the exception holds the frames in it, and those the tensors.
        return [one for item in items for one in self.run([item], call)]

    def _failure(self, error: Exception, call: Callable[[Sequence[Item]], Sequence[object]]) -> Failure:
        """That of the one item; raises the error where it is every item's."""
        if self._trust == 0:
            clear_frames(error.__traceback__)  # their tensors, which take the room of the plain one's
            try:
                call([self._plain()])
            except _OF_A_ROW:
                raise error from None
            self._trust = _TRUST
        self._trust -= 1
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return Failure("retry", f"{self._what} cannot take this row: {said}"[:300], retries=0)
