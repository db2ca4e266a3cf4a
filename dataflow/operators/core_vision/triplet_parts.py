"""The parts of `TripletSynthesizer`, in their order: writing, drawing, editing and judging by other operators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dataflow.core.columns import picture_paths
from dataflow.core.records import Row, Side
from dataflow.core.source import Source
from dataflow.core.worker import JUDGE, Worker
from dataflow.errors import ConfigError, RowError
from dataflow.flow.recipe import Expects, Steps
from dataflow.judging.together import Asking, asked_as
from dataflow.judging.tries import TRIES
from dataflow.judging.verdict import CONDITION, REJECTED
from dataflow.money.budget import make_budget
from dataflow.operators.base import Columns
from dataflow.operators.core_text.choice import choose
from dataflow.operators.core_text.edit_instruction_generator import EditInstructionGenerator
from dataflow.operators.core_text.edit_prompt_generator import EditPromptGenerator
from dataflow.operators.core_text.slots import FAULT
from dataflow.operators.core_text.wanted import shares_of
from dataflow.operators.core_vision.checked_image_generator import CheckedImageGenerator
from dataflow.operators.core_vision.image_edit_accept_loop import ImageEditAcceptLoop
from dataflow.operators.core_vision.prompted_image_generator import PromptedImageGenerator
from dataflow.operators.core_vision.triplet_account import CHECKER, account_of, parts_of
from dataflow.operators.core_vision.triplet_intake import Intake
from dataflow.operators.core_vision.triplet_rows import OFFER, WRITTEN, Offer, PhotographRows, WrittenRows
from dataflow.quota.next_row import Account
from dataflow.quota.quota import Quota
from dataflow.taxonomy.draw import Draw
from dataflow.utils.storage import Step

DRAWN = "drawn"
"""Side output: the rows as the painter drew them."""

DRAWINGS: Mapping[str, str] = {TRIES: "drawings", REJECTED: "rejected_drawings"}
"""Name of a side output of `CheckedImageGenerator` → its name here, where the accept loop has the first name."""

Painter = PromptedImageGenerator | CheckedImageGenerator


@dataclass(frozen=True, slots=True)
class Parts:
    """The operators that each row passes, one after another.

    Args:
        writer: writes descriptions and instructions; or instructions for photographs.
        painter: draws the descriptions, and may have a judge check the drawings; None: there are photographs.
        loop: edits and judges.

    Raises:
        ConfigError: the writer describes pictures and there is no painter; or the writer looks at photographs and
            there is a painter.
    """

    writer: EditPromptGenerator | EditInstructionGenerator
    painter: Painter | None
    loop: ImageEditAcceptLoop

    def __post_init__(self) -> None:
        if isinstance(self.writer, EditPromptGenerator) and self.painter is None:
            raise ConfigError(
                f"{type(self.writer).__name__} describes pictures: give a painter, such as"
                f" PromptedImageGenerator(serving), or EditInstructionGenerator for photographs"
            )
        if isinstance(self.writer, EditInstructionGenerator) and self.painter is not None:
            raise ConfigError("EditInstructionGenerator looks at pictures that are there: give None as the painter")

    @property
    def workers(self) -> Mapping[str, Worker]:
        """Name in requests → worker, of all parts; the judge of drawings has the name CHECKER."""
        painters = {} if self.painter is None else self.painter.workers
        named = {CHECKER if name == JUDGE else name: worker for name, worker in painters.items()}
        return {**self.writer.workers, **named, **self.loop.workers}

    def before(self) -> Steps | None:
        """Make the generator that asks the canaries of both judges; None: there are no canaries."""
        checking = None if self.painter is None else self.painter.before()
        canaries = [self.loop.before(), None if checking is None else asked_as({JUDGE: CHECKER}, checking)]
        asked = [each for each in canaries if each is not None]
        return _one_after_another(asked) if asked else None

    def rows(self, step: Step, quota: Quota | None, columns: Columns) -> Source:
        """Make the source of the rows.

        Args:
            step: the step that is run.
            quota: the wanted rows; None: every row of the writer once.
            columns: as for `steps`.
        """
        text, conversation, verdict, _ = columns.outputs
        intake = Intake(verdict, self._account(step, quota))
        if isinstance(self.writer, EditPromptGenerator):
            return WrittenRows(self.writer.wanted.limited(step.options.limit), (text, conversation), intake)
        return PhotographRows(step, self.writer.taxonomy, self.writer.per_image, intake)

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Make the generator of one row, from its brief or photograph to its accepted edit.

        Args:
            row: the row that its source made.
            columns: the input is the column of pictures; the outputs are those of descriptions, messages, verdicts and
                edits.
        """
        (images,), (text, conversation, verdict, edited) = columns.inputs, columns.outputs
        sides: list[Side | RowError] = []
        if isinstance(self.writer, EditPromptGenerator):
            writing = self.writer.steps(row, replace(columns, outputs=(text, conversation)))
            (written,), _ = _split((yield from writing))
            fault = {FAULT: written.pop(FAULT)}  # in no side output; `Slots` takes it off the accepted row
            pictured, others = _split((yield from self._draw(written, text, conversation, images, columns)))
            sides = [Side(WRITTEN, written), *others, *(Side(DRAWN, each) for each in pictured)]
        else:
            offer: Offer | None = row.pop(OFFER)
            if offer is None:
                return []
            written = yield from self._write_for_photograph(self.writer, row, offer, columns)
            sides = [Side(WRITTEN, written)]
            fault, pictured = {}, [] if written["sub_type"] in offer.filled else [written]
        accepted: list[Row] = []
        for each in pictured:
            loop_columns = replace(columns, inputs=(images, conversation), outputs=(verdict, edited))
            accepted, others = _split((yield from self.loop.steps(each, loop_columns)))
            sides += others
        return [*sides, *({**each, **fault} for each in accepted)]

    def _draw(self, written: Row, text: str, conversation: str, images: str, columns: Columns) -> Steps:
        """Draw the pictures of a row; a row with a picture that the judge rejects does not come out."""
        if isinstance(self.painter, CheckedImageGenerator):
            checked = replace(columns, inputs=(text, conversation), outputs=(CONDITION, images))
            returned = yield from asked_as({JUDGE: CHECKER}, self.painter.steps(written, checked))
            return [replace(each, name=DRAWINGS[each.name]) if isinstance(each, Side) else each for each in returned]
        assert self.painter is not None
        return (yield from self.painter.steps(written, replace(columns, inputs=(text,), outputs=(images,))))

    def expects(self, row: Row) -> Expects:
        """Count the requests of all parts for one row: name of the worker → (usual, greatest) number."""
        pictures = row["brief"].pictures if "brief" in row else 1
        return {**self._before(pictures), **self.loop.loop.expects()}

    def _before(self, pictures: float) -> Expects:
        """Count the requests before the edits of a row with this number of pictures."""
        if self.painter is None:
            return {"writer": (1, 2)}
        drawing = self.painter.expects({}, Columns(("",), ("", "")))  # a row without messages counts as one picture
        each = {CHECKER if name == JUDGE else name: count for name, count in drawing.items()}
        return {"writer": (1, 2), **{name: (pictures * usual, pictures * most) for name, (usual, most) in each.items()}}

    def _account(self, step: Step, quota: Quota | None) -> Account | None:
        if quota is None:
            return None
        budget = make_budget(self.workers, step.options)
        shares = self._shares(quota)
        writer = self.writer
        taxonomy = (writer.wanted if isinstance(writer, EditPromptGenerator) else writer).taxonomy
        pictures = sum(share * sum(taxonomy.operations[name].pictures) / 2 for name, share in shares.items())
        parts = parts_of(self.workers, self._before(pictures), self.loop.loop.expects(), budget)
        return account_of(quota.limited(step.options.limit), shares, parts, self.loop.loop, budget)

    def _shares(self, quota: Quota) -> Mapping[str, float]:
        writer = self.writer
        if isinstance(writer, EditPromptGenerator):
            mix = writer.wanted.shares if quota.mix is None else quota.mix
            return shares_of(writer.wanted.taxonomy, mix, several=writer.several_pictures)
        single = {name: each.share for name, each in writer.taxonomy.operations.items() if each.most_pictures == 1}
        shares = writer.taxonomy.shares(single if quota.mix is None else quota.mix)
        if several := shares.keys() - single.keys():
            raise ConfigError(f"mix has {', '.join(sorted(several))}, of several pictures; a photograph is one")
        return shares

    def _write_for_photograph(
        self, writer: EditInstructionGenerator, row: Row, offer: Offer, columns: Columns
    ) -> Asking[Row]:
        images = columns.inputs[0]
        picture = picture_paths(row[images], images)[0]
        draw = Draw(writer.seed, columns.name_of(picture), offer.turn)
        (chosen,) = yield from choose(picture, offer.taxonomy, writer.languages, draw, count=1)
        conversation, verdict, edited = columns.outputs[1:]
        # A verdict and an edit of the user's row belong to another instruction.
        kept = {name: value for name, value in row.items() if name not in (verdict, edited)}
        return {**kept, images: [picture], **writer.written(chosen, conversation)}


def _split(returned: Sequence[Row | Side | RowError]) -> tuple[list[Row], list[Side | RowError]]:
    """Split what a part returned into rows, and side outputs and errors."""
    rows = [each for each in returned if isinstance(each, dict)]
    return rows, [each for each in returned if not isinstance(each, dict)]


def _one_after_another(askings: Sequence[Steps]) -> Steps:
    for asking in askings:
        yield from asking
    return []
