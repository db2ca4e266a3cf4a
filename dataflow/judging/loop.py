"""Edits, measures and judges, and tries again until an edit is accepted: a part of an operator's generator.

The requests of a try follow from earlier answers alone, so a resumed run asks the same. Two rules let a run with more
tries or candidates find all answers of an earlier run, and keep every row that the earlier run accepted:

- Requests with one prompt are numbered within their row, whichever try they belong to.
- The prompt of a further try follows from the edits that a run with one candidate in each try would have made, and not
  from the other candidates.

By the first rule, the answers of `PromptedImageEditGenerator` in the same directory are the first try.
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
from dataflow.judging.together import Asking, recording_costs, together
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
"""Share of first tries and share of further tries that are accepted, as a dry run assumes. The second is lower, since a
row whose first try was rejected is a hard one: on the demo's hard rows 4 to 31 of 100 further tries were accepted."""


@dataclass(frozen=True, slots=True)
class AcceptLoop:
    """The accept loop: it asks the workers "editor" and "judge", and "gauge" and "rewriter" if they are needed.

    Args:
        judge: judges the edits.
        gates: the limits that an edit must pass before it is judged; None: nothing is measured.
        tries: greatest number of tries of a row, from 1.
        candidates: edits in each try, from 1.
        retry: how the prompt of a further try is made.
        has_rewriter: there is a worker "rewriter", which "reword" may ask.
        pairwise: True: if several edits of a try are accepted, the judge compares them pair by pair. False: the edit
            with the best score wins.
        margin: number of points, 0 to 10, by which the accepted edit of a pair must lead on an axis.
        taxonomy: says how an edit is judged, by the operation in the row's column `sub_type`; None: the shipped one.

    Raises:
        ConfigError: `tries` or `candidates` is below 1, or `retry` is not known.
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
        """Count the requests of one row: name of the worker → (usual, greatest) number.

        Args:
            standing: number of edits that the row has already, which are the first try.
        """
        retries = sum((1 - FIRST_PASS) * (1 - RETRY_PASS) ** number for number in range(self.tries - 1))
        first = standing or self.candidates
        usual, most = (first + self.candidates * further for further in (retries, self.tries - 1))
        pairs = 2 * (max(first, self.candidates) - 1) if self.pairwise else 0
        counts = {
            EDITOR: (usual - standing, most - standing),
            JUDGE: (self.judge.expects[0] * usual, self.judge.expects[1] * most + pairs),
        }
        if self.gates is not None:
            counts[GAUGE] = (usual, most)
        if self.has_rewriter:
            counts[REWRITER] = (0, self.tries - 1)
        return counts

    def rows(
        self, row: Row, images: str, conversation: str, *, verdict: str, edited: str, mask: str | None = None
    ) -> Asking[Sequence[Row | Side | RowError]]:
        """Make a generator that edits and judges one row, and returns what `steps` of an operator returns.

        The rows are the row with its accepted edit, if there is one, and those of the side outputs `rejected`, `tries`
        and `pairs`: `return (yield from loop.rows(...))`.

        Args:
            row: the row as it came in.
            images: column of the source pictures.
            conversation: column of the messages; the last message of the user is the instruction.
            verdict: column that gets the verdict.
            edited: column that gets the accepted edit; edits that it holds already are the first try.
            mask: column of the mask; None: rows have no mask.

        Raises:
            AnswerError: as for `accept`.
            RowError: a column holds something else.
        """
        task = task_of(
            row, self.taxonomy or shipped_taxonomy(), images=images, conversation=conversation, edited=edited, mask=mask
        )
        (outcome,), counted = yield from with_no_op([self.accept(task)], self.judge, task.sources, task.instruction)
        return [*rows_of(outcome, row, edited=edited, verdict=verdict, margin=self.margin), *counted]

    def accept(self, task: Task) -> Asking[Outcome]:
        """Make a generator that tries until an edit is accepted or the tries are used up.

        `steps` of an operator runs it: `outcome = yield from loop.accept(task)`.

        Args:
            task: what is edited, and by which instruction.

        Raises:
            AnswerError: a request failed, or the editor refused every edit: the row is a failed row.
        """
        costs: list[int | None] = []
        tries, winner = yield from recording_costs(costs, self._accept(task))
        raise_if_refused(tries)
        return Outcome(tries, winner, sum_of(costs))

    def _accept(self, task: Task) -> Asking[tuple[list[Try], Try | None]]:
        tries: list[Try] = []
        # The edits of a run with one candidate in each try. Its n-th request with a prompt is number n of this prompt,
        # and so it may be a further candidate of an earlier try here.
        of_one_candidate: list[Try] = []
        prompt = task.instruction
        for number in range(self.tries):
            made = [Try(0, candidate, prompt, path) for candidate, path in enumerate(task.standing)]
            if number or not made:
                made = yield from self._edit(task, prompt, number, len(asked_with(prompt, tries)))
            made = yield from self._judge(task, made)
            tries += made
            if number == 0 and task.standing:
                of_one_candidate += made
            else:
                of_one_candidate.append(asked_with(prompt, tries)[len(asked_with(prompt, of_one_candidate))])
            winner = yield from self._winner(task, [each for each in made if each.verdict.accepted])
            # An unjudged edit may be good, so no further edit is paid for until a later run has its verdict.
            if winner is not None or any(each.verdict.accepted is None for each in of_one_candidate):
                return tries, winner
            if number + 1 < self.tries:
                best = max(of_one_candidate, key=lambda each: each.rank)
                prompt = yield from next_prompt(self.retry, task, best, number + 1, has_rewriter=self.has_rewriter)
                earlier = asked_with(prompt, tries)
                if earlier and all(each.failure for each in earlier):
                    break  # an editor that refused every request with this prompt would refuse the next
        return tries, None

    def _edit(self, task: Task, prompt: str, number: int, earlier: int) -> Asking[list[Try]]:
        """Ask the candidates of a try; `earlier` counts the row's earlier requests with this prompt."""
        repeats = range(earlier, earlier + self.candidates)
        answers = yield [Request(prompt, task.sources, repeat=k, worker=EDITOR, mask=task.mask) for k in repeats]
        return [edit_of(number, candidate, prompt, answer) for candidate, answer in enumerate(answers)]

    def _judge(self, task: Task, made: Sequence[Try]) -> Asking[list[Try]]:
        """Return the edits with their verdicts: those of the gates, and the judge's for edits that pass the gates."""
        judged = {each.candidate: each for each in made}
        if self.gates is not None:
            pictured = [each for each in made if each.path]
            answers = yield [gauging(task.sources, each.path, task.mask, worker=GAUGE) for each in pictured]
            for each, answer in zip(pictured, answers, strict=True):
                measures = read_measures(answer.raise_for_error().text)
                gate = self.gates.failed(measures, task.kind.operation, pictures=len(task.sources))
                verdict = Verdict(False if gate else None, gate=gate, measures=asdict(measures))
                judged[each.candidate] = each.judged(verdict)
        passed = [each for each in judged.values() if not each.verdict.gate]  # a refusal has the gate REFUSED
        asking = [self.judge.judge(task.sources, each.path, task.instruction, task.kind) for each in passed]
        verdicts = yield from together(asking)
        judged |= {each.candidate: each.judged(verdict) for each, verdict in zip(passed, verdicts, strict=True)}
        return [*judged.values()]

    def _winner(self, task: Task, passing: Sequence[Try]) -> Asking[Try | None]:
        ranked = sorted(passing, key=lambda each: each.rank, reverse=True)
        best = ranked[0] if ranked else None
        for rival in ranked[1:] if self.pairwise else ():
            if best is not None and (yield from prefers(task.sources, best.path, rival.path, task.instruction)):
                best = rival
        return best
