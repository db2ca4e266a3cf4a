"""Edit, measure, judge, and try again until an edit is accepted: a part of an operator's generator.

What a try asks follows from answers alone, so a resumed run asks the same. Requests of one prompt are numbered within
their row, and prompts follow from what one candidate a try comes to: more tries or candidates ask only what is new and
lose no accepted row, and what an editing operator was answered is the first try.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from dataflow.core.records import Request, Row, Side
from dataflow.core.worker import JUDGE
from dataflow.errors import ConfigError, RowError
from dataflow.gates.limits import Gates
from dataflow.gates.measured import gauging, read_measures
from dataflow.judging.judge import Judge
from dataflow.judging.no_ops import with_no_op
from dataflow.judging.outcome_rows import rows_of
from dataflow.judging.pair import prefers
from dataflow.judging.rewording import check_retry, next_prompt
from dataflow.judging.together import Asking, noting, together
from dataflow.judging.tries import (
    EDITOR,
    GAUGE,
    REWRITER,
    Outcome,
    Retry,
    Task,
    Try,
    asked_with,
    edit_of,
    raise_if_refused,
    task_of,
)
from dataflow.judging.verdict import Verdict, sum_of
from dataflow.taxonomy.taxonomy import Taxonomy, shipped_taxonomy

FIRST_PASS, RETRY_PASS = 0.75, 0.3
"""Shares of the tries that end a row, as a dry run assumes. On the demo's hard rows a retry is no second first try."""


@dataclass(frozen=True, slots=True)
class AcceptLoop:
    """How often is tried and who decides. Asks workers "editor" and "judge", and "gauge" and "rewriter" if need be.

    Args:
        judge: decides.
        gates: what an edit must pass before it is judged; None: nothing is measured.
        tries: at most.
        candidates: edits of a try.
        retry: how the next try asks.
        has_rewriter: "reword" may ask a worker "rewriter".
        pairwise: of several that are accepted in a try the judge chooses one; else that with the best score wins.
        margin: by how much an axis must be ahead in a pair.
        taxonomy: says by a row's `sub_type` how its edit is judged; None: the shipped one.

    Raises:
        ConfigError: less than one try or candidate; no such retry.
    """

    judge: Judge
    gates: Gates | None = None
    tries: int = 2
    candidates: int = 1
    retry: Retry = "reword"
    has_rewriter: bool = False
    pairwise: bool = False
    margin: float = 2.0
    taxonomy: Taxonomy | None = None

    def __post_init__(self) -> None:
        for name, number in (("tries", self.tries), ("candidates", self.candidates)):
            if number < 1:
                raise ConfigError(f"{name} is {number}: give a number from 1")
        check_retry(self.retry)

    def expects(self, standing: int = 0) -> Mapping[str, tuple[float, float]]:
        """Requests of a row by worker, usually and at most; so many of its edits stand already."""
        retries = sum((1 - FIRST_PASS) * (1 - RETRY_PASS) ** number for number in range(self.tries - 1))
        first = standing or self.candidates
        usual, most = (first + self.candidates * further for further in (retries, self.tries - 1))
        pairs = 2 * (max(first, self.candidates) - 1) if self.pairwise else 0
        found = {
            EDITOR: (usual - standing, most - standing),
            JUDGE: (self.judge.expects[0] * usual, self.judge.expects[1] * most + pairs),
        }
        if self.gates is not None:
            found[GAUGE] = (usual, most)
        if self.has_rewriter:
            found[REWRITER] = (0, self.tries - 1)
        return found

    def rows(
        self, row: Row, images: str, conversation: str, *, verdict: str, edited: str, mask: str | None = None
    ) -> Asking[Sequence[Row | Side | RowError]]:
        """What comes out of a row, and goes to the sides SIDES.

        Args:
            row: as it came in.
            images: column of its pictures.
            conversation: column of its messages.
            verdict: column that gets the verdict.
            edited: column that gets the accepted edit.
            mask: column of the mask.

        Raises:
            AnswerError: as `accept` says.
            RowError: a column holds something else.
        """
        task = task_of(
            row, self.taxonomy or shipped_taxonomy(), images=images, conversation=conversation, edited=edited, mask=mask
        )
        (outcome,), counted = yield from with_no_op([self.accept(task)], self.judge, task.sources, task.instruction)
        return [*rows_of(outcome, row, edited=edited, verdict=verdict, margin=self.margin), *counted]

    def accept(self, task: Task) -> Asking[Outcome]:
        """Try until an edit is accepted.

        Raises:
            AnswerError: a worker did not answer, or the editor refused everything: the row fails.
        """
        costs: list[int | None] = []
        tries, winner = yield from noting(costs, self._accept(task))
        raise_if_refused(tries)
        return Outcome(tries, winner, sum_of(costs))

    def _accept(self, task: Task) -> Asking[tuple[list[Try], Try | None]]:
        tries: list[Try] = []
        alone: list[Try] = []  # what one candidate a try comes to: further ones must not lead to other prompts
        prompt = task.instruction
        for number in range(self.tries):
            made = [Try(0, at, prompt, path) for at, path in enumerate(task.standing)]
            if number or not made:
                made = yield from self._edited(task, prompt, number, len(asked_with(prompt, tries)))
            made = yield from self._judged(task, made)
            tries += made
            same = asked_with(prompt, tries)
            alone += made if not alone and task.standing else [same[len(asked_with(prompt, alone))]]
            winner = yield from self._winner(task, [each for each in made if each.verdict.accepted])
            if winner is not None or any(each.verdict.accepted is None for each in alone):
                return tries, winner
            if number + 1 < self.tries:
                best = max(alone, key=lambda each: each.rank)
                prompt = yield from next_prompt(self.retry, task, best, number + 1, has_rewriter=self.has_rewriter)
                before = asked_with(prompt, tries)
                if before and all(each.failure for each in before):
                    break  # what was refused every time would be refused again
        return tries, None

    def _edited(self, task: Task, prompt: str, number: int, before: int) -> Asking[list[Try]]:
        repeats = range(before, before + self.candidates)
        answers = yield [Request(prompt, task.sources, repeat=k, worker=EDITOR, mask=task.mask) for k in repeats]
        return [edit_of(number, at, prompt, answer) for at, answer in enumerate(answers)]

    def _judged(self, task: Task, made: Sequence[Try]) -> Asking[list[Try]]:
        """The tries with their verdicts: of the gates, then of the judge for what passes them."""
        found = {each.candidate: each for each in made}
        if self.gates is not None:
            shown = [each for each in made if each.path]
            answers = yield [gauging(task.sources, each.path, task.mask, worker=GAUGE) for each in shown]
            for each, answer in zip(shown, answers, strict=True):
                measures = read_measures(answer.raise_for_error().text)
                gate = self.gates.failed(measures, task.kind.operation, pictures=len(task.sources))
                verdict = Verdict(False if gate else None, gate=gate, measures=asdict(measures))
                found[each.candidate] = each.judged(verdict)
        passed = [each for each in found.values() if not each.verdict.gate]
        asked = [self.judge.judge(task.sources, each.path, task.instruction, task.kind) for each in passed]
        verdicts = yield from together(asked)
        found |= {each.candidate: each.judged(verdict) for each, verdict in zip(passed, verdicts, strict=True)}
        return [*found.values()]

    def _winner(self, task: Task, passing: Sequence[Try]) -> Asking[Try | None]:
        ranked = sorted(passing, key=lambda each: each.rank, reverse=True)
        best = ranked[0] if ranked else None
        for other in ranked[1:] if self.pairwise else ():
            if best is not None and (yield from prefers(task.sources, best.path, other.path, task.instruction)):
                best = other
        return best
