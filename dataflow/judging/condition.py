"""Draws and judges pictures, and draws them again until the judge accepts them: a part of an operator's generator.

The edit of a picture that does not show its description is paid for in vain. The first drawing has the same request as
in an operator that only draws, and the numbers of redrawings follow that of the first drawing. So drawings of an
earlier run of `PromptedImageGenerator` are checked and not paid for again, and a run with more redrawings asks only
the further ones.
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
from dataflow.judging.together import Asking, recording_costs, together
from dataflow.judging.tries import Outcome, Try, edit_of, raise_if_refused, standing_edits
from dataflow.judging.verdict import THRESHOLD, Thresholds, sum_of

PAINTER = "painter"
PASS = 0.44
"""Share of the drawings that the judge accepts, as a dry run assumes. Source: NHR-Edit, which kept this share of its
drawings: https://arxiv.org/abs/2507.14119."""


@dataclass(frozen=True, slots=True)
class ConditionCheck:
    """The condition check: it asks the worker "painter" for drawings and the worker "judge" for verdicts.

    Args:
        judge: judges the drawings.
        redraws: greatest number of further drawings of one picture, from 0.

    Raises:
        ConfigError: `redraws` is below 0.
    """

    judge: Judge
    redraws: int = 2

    def __post_init__(self) -> None:
        if self.redraws < 0:
            raise ConfigError(f"redraws is {self.redraws}: give a number from 0")

    def expects(self, pictures: int = 1, standing: int = 0) -> Mapping[str, tuple[float, float]]:
        """Count the requests of one row: name of the worker → (usual, greatest) number.

        Args:
            pictures: number of pictures of the row.
            standing: how many of these pictures the row has already.
        """
        usual = pictures * sum((1 - PASS) ** number for number in range(self.redraws + 1))
        most = pictures * (1 + self.redraws)
        judged = self.judge.expects[0] * usual, self.judge.expects[1] * most
        return {PAINTER: (usual - standing, most - standing), JUDGE: judged}

    def rows(
        self, row: Row, first: Sequence[Request], conversation: str = "", *, images: str, verdict: str, copies: int = 1
    ) -> Asking[Sequence[Row | Side | RowError]]:
        """Draw and judge the pictures of a row, and return the row and its side outputs "rejected" and "tries".

        Args:
            row: the row as it came in.
            first: as for `draw`.
            conversation: column of messages, of which the user's last one is the instruction; "": there is none.
            images: column of the pictures; pictures that the row has already count as the first drawings.
            verdict: column that gets the verdict.
            copies: as for `draw`.

        Raises:
            AnswerError: as for `draw`.
            RowError: as for `draw`; or the column of messages has no instruction.
        """
        instruction = prompts(row[conversation], conversation)[-1] if conversation else ""
        outcomes = yield from self.draw(first, instruction, copies=copies, standing=standing_edits(row, images))
        return rows_of_drawings(outcomes, row, images=images, verdict=verdict)

    def draw(
        self, first: Sequence[Request], instruction: str = "", *, copies: int = 1, standing: Sequence[str] = ()
    ) -> Asking[Sequence[Outcome]]:
        """Draw each picture of a row, and draw it again until the judge accepts it.

        Args:
            first: the request for the first drawing of each picture; requests with one prompt are numbered from 0.
            instruction: the instruction by which the pictures will be edited; "": not known yet.
            copies: number of pictures of each description, which stand next to each other in `first`. An edit uses
                one picture of each description.
            standing: paths of the pictures that the row has already, as many as `first`, or none. They count as the
                first drawings and cost nothing.

        Returns:
            One outcome for each picture, in order.

        Raises:
            AnswerError: a request failed, or the painter refused every drawing of a picture: the row is a failed row.
            RowError: the row has another number of pictures than it has requests.
        """
        if standing and len(standing) != len(first):
            raise RowError(
                f"the row has {len(standing)} pictures and describes {len(first)}: empty the column of its pictures"
            )
        # Requests of one prompt have the numbers 0 to n - 1 in the first wave, so a redrawing adds n to its number.
        step = Counter(request.prompt for request in first)
        drawings = []
        for index, request in enumerate(first):
            drawn = Drawn(request.prompt, index // copies + 1, len(first) // copies)
            path = standing[index] if standing else ""
            drawings.append(_outcome(self._tries(request, step[request.prompt], index, drawn, instruction, path)))
        return (yield from together(drawings))

    def _tries(
        self, request: Request, step: int, candidate: int, drawn: Drawn, instruction: str, standing: str
    ) -> Asking[list[Try]]:
        tries: list[Try] = []
        for number in range(self.redraws + 1):
            drawing = Try(number, candidate, request.prompt, standing)
            if number or not standing:
                (answer,) = yield [replace(request, repeat=request.repeat + number * step)]
                drawing = edit_of(number, candidate, request.prompt, answer)
            if drawing.path:
                shown = (drawing.path,), drawing.path
                drawing = drawing.judged((yield from self.judge.judge(*shown, instruction, Kind(), drawn=drawn)))
            tries.append(drawing)
            if drawing.verdict.accepted is not False or all(each.failure for each in tries):
                break  # a painter that refused the first drawing would refuse the same prompt again
        return tries


def _outcome(asking: Asking[list[Try]]) -> Asking[Outcome]:
    costs: list[int | None] = []
    tries = yield from recording_costs(costs, asking)
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
    """Make a condition check with a worker as its judge.

    Args:
        worker: the judge.
        rubric: a rubric, or the path of a rubric file; None: the shipped rubric about drawings.
        thresholds: as for `make_judge`.
        redraws: greatest number of further drawings of one picture, from 0.
        passes: number of times that each question is asked.
        asks: greatest number of times that a question is asked until its answer can be read.
        canaries: True: the shipped photographs with descriptions; a path: a file of canaries; False: none.

    Raises:
        ConfigError: as for `make_judge` and `ConditionCheck`.
    """
    asked, known = rubric or shipped_rubric("condition"), CONDITIONS if canaries is True else canaries
    return ConditionCheck(make_judge(worker, asked, thresholds, passes=passes, asks=asks, canaries=known), redraws)
