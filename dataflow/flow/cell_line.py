"""How far a step is, below the cell of a notebook: one line that is renewed in place, beside a bar."""

from html import escape

from dataflow.core.words import count_of
from dataflow.flow.counts import Counts


class CellLine:
    """The line of one step.

    Args:
        name: of the step.
    """

    seconds = 0.5

    def __init__(self, name: str) -> None:
        from IPython.display import display

        self._name = name
        self._line = display({"text/plain": f"{name}: begins"}, raw=True, display_id=True)

    def say(self, words: str) -> None:
        """Show a line that stays."""
        from IPython.display import display

        display({"text/plain": f"{self._name}: {words}"}, raw=True)

    def show(self, counts: Counts, note: str) -> None:
        """Show the counts as they are now."""
        words = f"{self._name}: {counts.rows_done:,}/{count_of(counts.rows_in, 'row')}, {note}"
        bar = f'<progress value="{counts.rows_done}" max="{max(1, counts.rows_in)}"></progress>'
        self._line.update({"text/plain": words, "text/html": f"{bar} {escape(words)}"}, raw=True)

    def close(self) -> None:
        """Leave the last counts where they are."""
