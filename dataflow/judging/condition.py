"""Draw, judge, and draw again until a picture is good enough to be edited: a part of an operator's generator.

An edit of a picture that does not show what it should is paid in vain. The first drawing is asked as by an operator
that only draws, and redrawings are numbered on from there: a drawing run in the directory is checked unpaid, and more
redrawings ask only what is new.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dataflow.core.columns import prompts
from dataflow.core.records import Request, Row, Side
from dataflow.core.worker import JUDGE, Worker
from dataflow.errors import ConfigError, RowError
from dataflow.judging.canaries import CONDITIONS
from dataflow.judging.judge import Judge, make_judge
from dataflow.judging.outcome_rows import rows_of_drawings
from dataflow.judging.rubric import Drawn, Kind, Rubric, shipped_rubric
from dataflow.judging.together import Asking, noting, together
from dataflow.judging.tries import Outcome, Try, edit_of, raise_if_refused, standing_edits
from dataflow.judging.verdict import THRESHOLD, Thresholds, sum_of

PAINTER = "painter"
PASS = 0.44
"""Share of the drawings that pass, as a dry run assumes. Source: NHR-Edit, which kept so many of its drawings:
https://arxiv.org/abs/2507.14119."""


@dataclass(frozen=True, slots=True)
class ConditionCheck:
    """How often is drawn and who decides. Asks workers "painter" and "judge".

    Args:
        judge: decides.
        redraws: how often a picture is drawn again at most.

    Raises:
        ConfigError: less than no redrawing.
    """

    judge: Judge
    redraws: int = 2

    def __post_init__(self) -> None:
        if self.redraws < 0:
            raise ConfigError(f"redraws is {self.redraws}: give a number from 0")

    def expects(self, pictures: int = 1, standing: int = 0) -> Mapping[str, tuple[float, float]]:
        """Requests of a row by worker, usually and at most; so many of its pictures stand already."""
        usual = pictures * sum((1 - PASS) ** number for number in range(self.redraws + 1))
        most = pictures * (1 + self.redraws)
        judged = self.judge.expects[0] * usual, self.judge.expects[1] * most
        return {PAINTER: (usual - standing, most - standing), JUDGE: judged}

    def rows(
        self, row: Row, first: Sequence[Request], conversation: str = "", *, images: str, verdict: str, each: int = 1
    ) -> Asking[Sequence[Row | Side | RowError]]:
        """What comes out of a row, and goes to the sides "rejected" and "tries".

        Args:
            row: as it came in.
            first: as `draw` says.
            conversation: column with the instruction, the user's last message; empty: there is none.
            images: column of the pictures; those that stand there are the first drawings.
            verdict: column that gets the verdict.
            each: as `draw` says.

        Raises:
            AnswerError, RowError: as `draw` says; no instruction.
        """
        instruction = prompts(row[conversation], conversation)[-1] if conversation else ""
        outcomes = yield from self.draw(first, instruction, each=each, standing=standing_edits(row, images))
        return rows_of_drawings(outcomes, row, images=images, verdict=verdict)

    def draw(
        self, first: Sequence[Request], instruction: str = "", *, each: int = 1, standing: Sequence[str] = ()
    ) -> Asking[Sequence[Outcome]]:
        """Draw every picture of a row until the judge accepts it.

        Args:
            first: the request of each picture's first drawing; of one prompt they are numbered from 0.
            instruction: by which the pictures will be edited; empty: nobody knows yet.
            each: pictures of one description, which stand beside each other; one of these is edited at a time.
            standing: paths of the pictures, where they are there already: the first drawings, which cost nothing.

        Returns:
            One outcome for each picture, in order.

        Raises:
            AnswerError: a worker did not answer, or the painter refused everything: the row fails.
            RowError: another number of pictures stands there.
        """
        if standing and len(standing) != len(first):
            raise RowError(
                f"the row has {len(standing)} pictures and describes {len(first)}: empty the column of its pictures"
            )
        step = Counter(request.prompt for request in first)
        drawings = []
        for at, request in enumerate(first):
            drawn = Drawn(request.prompt, at // each + 1, len(first) // each)
            tries = self._tries(request, step[request.prompt], at, drawn, instruction, standing[at] if standing else "")
            drawings.append(_outcome(tries))
        return (yield from together(drawings))

    def _tries(
        self, request: Request, step: int, candidate: int, drawn: Drawn, instruction: str, standing: str
    ) -> Asking[list[Try]]:
        tries: list[Try] = []
        for number in range(self.redraws + 1):
            made = Try(number, candidate, request.prompt, standing)
            if number or not standing:
                (answer,) = yield [replace(request, repeat=request.repeat + number * step)]
                made = edit_of(number, candidate, request.prompt, answer)
            if made.path:
                shown = (made.path,), made.path
                made = made.judged((yield from self.judge.judge(*shown, instruction, Kind(), drawn=drawn)))
            tries.append(made)
            if made.verdict.accepted is not False or all(each.failure for each in tries):
                break  # what was refused at first would be refused again
        return tries


def _outcome(asking: Asking[list[Try]]) -> Asking[Outcome]:
    costs: list[int | None] = []
    tries = yield from noting(costs, asking)
    raise_if_refused(tries)
    return Outcome(tries, tries[-1] if tries[-1].verdict.accepted else None, sum_of(costs))


def make_check(
    worker: Worker,
    rubric: Rubric | str | Path | None = None,
    thresholds: Thresholds = THRESHOLD,
    redraws: int = 2,
    *,
    passes: int = 1,
    asks: int = 2,
    canaries: bool | str | Path = True,
) -> ConditionCheck:
    """A check by this judge.

    Args:
        worker: judges.
        rubric: what it is asked, or the path of a rubric file; None: the shipped one about drawings.
        thresholds: the least number of the axes.
        redraws: how often a picture is drawn again at most.
        passes: how often the judge is asked.
        asks: how often it is asked at most until its answer can be read.
        canaries: True: the shipped photographs with descriptions; a path: of a file of one's own; False: none.

    Raises:
        ConfigError: as `make_judge` and `ConditionCheck` say.
    """
    asked, known = rubric or shipped_rubric("condition"), CONDITIONS if canaries is True else canaries
    return ConditionCheck(make_judge(worker, asked, thresholds, passes=passes, asks=asks, canaries=known), redraws)
