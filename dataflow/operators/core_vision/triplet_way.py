"""The way of a row from a brief or a photograph to an accepted edit: parts of other operators, one after another."""

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
from dataflow.judging.verdict import REJECTED
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
from dataflow.quota.account import Account
from dataflow.quota.quota import Quota
from dataflow.taxonomy.draw import Draw
from dataflow.utils.storage import Step

DRAWN = "drawn"
"""Side output: rows as they were drawn."""

DRAWINGS: Mapping[str, str] = {TRIES: "drawings", REJECTED: "rejected_drawings"}
"""Side outputs of the condition check, by the names that it has for them: those of the loop are taken."""

CONDITION = "condition_verdict"
Painter = PromptedImageGenerator | CheckedImageGenerator


@dataclass(frozen=True, slots=True)
class Way:
    """The parts.

    Args:
        writer: of descriptions and instructions, or of instructions for photographs.
        painter: draws, and may check what it drew; None: photographs are there.
        loop: edits and judges.

    Raises:
        ConfigError: the writer describes pictures that nobody draws, or looks at pictures that are yet to be drawn.
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
        """Of all parts."""
        painters = {} if self.painter is None else self.painter.workers
        named = {CHECKER if name == JUDGE else name: worker for name, worker in painters.items()}
        return {**self.writer.workers, **named, **self.loop.workers}

    def before(self) -> Steps | None:
        """The canaries of both judges; None: there are none."""
        checking = None if self.painter is None else self.painter.before()
        canaries = [self.loop.before(), None if checking is None else asked_as({JUDGE: CHECKER}, checking)]
        asked = [each for each in canaries if each is not None]
        return _all(asked) if asked else None

    def rows(self, step: Step, quota: Quota | None, columns: Columns) -> Source:
        """Where rows begin.

        Args:
            step: that is run.
            quota: how many are wanted; None: all.
            columns: as of `steps`.
        """
        text, conversation, verdict, _ = columns.outputs
        intake = Intake(verdict, self._account(step, quota))
        if isinstance(self.writer, EditPromptGenerator):
            return WrittenRows(self.writer.wanted.limited(step.options.limit), (text, conversation), intake)
        return PhotographRows(step, self.writer.taxonomy, self.writer.per_image, intake)

    def steps(self, row: Row, columns: Columns) -> Steps:
        """One row's way.

        Args:
            row: as its source made it.
            columns: of pictures; of descriptions, instruction, verdict and edit.
        """
        (images,), (text, conversation, verdict, edited) = columns.inputs, columns.outputs
        sides: list[Side | RowError] = []
        if isinstance(self.writer, EditPromptGenerator):
            (written,), _ = _parted((yield from self.writer.steps(row, replace(columns, outputs=(text, conversation)))))
            fault = {FAULT: written.pop(FAULT)}
            pictured, others = _parted((yield from self._draw(written, text, conversation, images, columns)))
            sides = [Side(WRITTEN, written), *others, *(Side(DRAWN, each) for each in pictured)]
        else:
            offer: Offer | None = row.pop(OFFER)
            if offer is None:
                return []
            instructed = yield from self._instructed(self.writer, row, offer, columns)
            sides = [Side(WRITTEN, instructed)]
            fault, pictured = {}, [] if instructed["sub_type"] in offer.filled else [instructed]
        accepted: list[Row] = []
        for each in pictured:
            ends = replace(columns, inputs=(images, conversation), outputs=(verdict, edited))
            accepted, others = _parted((yield from self.loop.steps(each, ends)))
            sides += others
        return [*sides, *({**each, **fault} for each in accepted)]

    def _draw(self, written: Row, text: str, conversation: str, images: str, columns: Columns) -> Steps:
        """The row with its pictures, or none that can be edited."""
        if isinstance(self.painter, CheckedImageGenerator):
            checked = replace(columns, inputs=(text, conversation), outputs=(CONDITION, images))
            returned = yield from asked_as({JUDGE: CHECKER}, self.painter.steps(written, checked))
            return [replace(each, name=DRAWINGS[each.name]) if isinstance(each, Side) else each for each in returned]
        assert self.painter is not None
        return (yield from self.painter.steps(written, replace(columns, inputs=(text,), outputs=(images,))))

    def expects(self, row: Row) -> Expects:
        """Requests of a row by worker, usually and at most."""
        pictures = row["brief"].pictures if "brief" in row else 1
        return {**self._before(pictures), **self.loop.loop.expects()}

    def _before(self, pictures: float) -> Expects:
        """Requests of a row of so many pictures before its edits."""
        if self.painter is None:
            return {"writer": (1, 2)}
        drawing = self.painter.expects({}, Columns(("",), ("", "")))  # of one picture
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

    def _instructed(self, writer: EditInstructionGenerator, row: Row, offer: Offer, columns: Columns) -> Asking[Row]:
        images = columns.inputs[0]
        picture = picture_paths(row[images], images)[0]
        draw = Draw(writer.seed, columns.name_of(picture), offer.turn)
        (chosen,) = yield from choose(picture, offer.taxonomy, writer.languages, draw, count=1)
        conversation, verdict, edited = columns.outputs[1:]
        bare = {name: value for name, value in row.items() if name not in (verdict, edited)}  # of another instruction
        return {**bare, images: [picture], **writer.written(chosen, conversation)}


def _parted(returned: Sequence[Row | Side | RowError]) -> tuple[list[Row], list[Side | RowError]]:
    """What a part returned: rows, and all else."""
    rows = [each for each in returned if isinstance(each, dict)]
    return rows, [each for each in returned if not isinstance(each, dict)]


def _all(askings: Sequence[Steps]) -> Steps:
    for asking in askings:
        yield from asking
    return []
