"""Stage one of the demo: write descriptions and instructions of the drawn world, with the scenes that they ask for."""

from collections.abc import Sequence

from dataflow.core.records import Row
from dataflow.demo.brief_edit import edit_for
from dataflow.demo.packaged import SHOWN
from dataflow.demo.phrases import LANGUAGES
from dataflow.demo.truth import TRUTH, as_truth
from dataflow.demo.writer import DemoWriter, demo_taxonomy
from dataflow.judging.together import Asking
from dataflow.operators.base import Columns
from dataflow.operators.core_text.edit_prompt_generator import EditPromptGenerator


class DemoPromptGenerator(EditPromptGenerator):
    """`EditPromptGenerator` for the demo model; its rows also have the scenes that their pictures must show.

    Args:
        n: the number of rows.
        seed: another seed gives other rows.
        languages: "en", "zh" or both.
        operations: the operations to ask for, in equal shares; any of `demo_taxonomy()`.
    """

    def __init__(
        self,
        *,
        n: int = 16,
        seed: int = 0,
        languages: Sequence[str] = LANGUAGES,
        operations: Sequence[str] = SHOWN,
    ) -> None:
        mix = dict.fromkeys(operations, 1.0)
        super().__init__(DemoWriter(), demo_taxonomy(), mix=mix, languages=languages, n=n, seed=seed)

    def steps(self, row: Row, columns: Columns) -> Asking[Sequence[Row]]:
        """Write rows as `EditPromptGenerator` does, add the truth, and leave out the style: drawings have none."""
        written = yield from super().steps(row, columns)
        known = edit_for(row["brief"], row["brief"].language, 0)
        truth = as_truth({"input_image": known.scenes, "edited_images": [known.target]})
        return [
            {**{name: value for name, value in fields.items() if name != "style"}, TRUTH: truth} for fields in written
        ]
