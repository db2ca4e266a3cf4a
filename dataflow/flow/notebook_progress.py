"""The progress of steps below the cell of a notebook: a bar and a line for each step, renewed in place."""

from collections.abc import Iterable
from html import escape

from dataflow.core.words import count_of
from dataflow.flow.counts import Counts


class CellLines:
    """The lines of several steps, shown below the cell that runs.

    Args:
        names: of the steps.

    Attributes:
        seconds: between two calls of `show`.
    """

    seconds = 0.5

    def __init__(self, names: Iterable[str]) -> None:
        from IPython.display import display

        self._lines = {name: display({"text/plain": f"{name}: begins"}, raw=True, display_id=True) for name in names}

    def say(self, name: str, words: str) -> None:
        """Show a line that stays."""
        from IPython.display import display

        display({"text/plain": f"{name}: {words}"}, raw=True)

    def show(self, name: str, counts: Counts, note: str) -> None:
        """Renew the bar and the line of a step.

        Args:
            name: of the step.
            counts: of the step, as they are now.
            note: the text beside the bar.
        """
        words = f"{name}: {counts.rows_done:,}/{count_of(counts.rows_in, 'row')}, {note}"
        bar = f'<progress value="{counts.rows_done}" max="{max(1, counts.rows_in)}"></progress>'
        self._lines[name].update({"text/plain": words, "text/html": f"{bar} {escape(words)}"}, raw=True)

    def close(self) -> None:
        """Stop showing; what was shown last stays."""
