"""Asks a judge about one edit or one drawing, as a part of an operator's generator."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dataflow.core.records import Answer, Request, Row, Side, digest_fingerprint
from dataflow.core.worker import JUDGE, Worker
from dataflow.errors import ConfigError, UnfitAnswer
from dataflow.judging.answers import Opinion, read_opinion
from dataflow.judging.canaries import PHOTOGRAPHS, Canary, read_canaries
from dataflow.judging.promise import Promise, promise_for
from dataflow.judging.rubric import Drawn, Kind, Rubric, read_rubric, shipped_rubric
from dataflow.judging.together import Asking, asked_anew, together
from dataflow.judging.verdict import Thresholds, Verdict, check_thresholds, mean_opinion, passes, score_of, sum_of

_AGAIN = 1000  # added to the number of the pass each time that a question is asked again; passes count from 0


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge with its rubric and thresholds.

    Args:
        rubric: the questions and axes.
        thresholds: axis → the least number, 0 to 10, that an accepted edit needs.
        passes: number of times that each question is asked; the means of the numbers count.
        digest: digest of the judging worker's fingerprint, 16 hex digits.
        canaries: pictures with known answers.
        asks: greatest number of times that a question is asked until its answer can be read.
        promise: the promise from which the thresholds come; None: the thresholds are not calibrated.
    """

    rubric: Rubric
    thresholds: Mapping[str, float]
    passes: int = 1
    digest: str = ""
    canaries: tuple[Canary, ...] = ()
    asks: int = 2
    promise: Promise | None = None

    @property
    def as_figures(self) -> Row:
        """The number of passes and the promise, for the figures of a step."""
        return {"passes": self.passes, "promise": self.promise and self.promise.as_row()}

    @property
    def expects(self) -> tuple[int, int]:
        """The usual and the greatest number of requests about one edit."""
        usual = len(self.rubric.questions) * self.passes
        return usual, self.asks * usual

    def prove(self) -> Asking[list[Row | Side]] | None:
        """Make the generator that asks about all canaries at once, before an operator's rows. None: there are none.

        A canary with a wrong answer, also one in the journal, is asked about once more: the user may have mended the
        judge under the same name.

        Raises:
            ConfigError: raised by the generator: the judge gave a wrong answer. The message has the canary's pictures
                and the answer.
        """
        return self._prove() if self.canaries else None

    def _prove(self) -> Asking[list[Row | Side]]:
        verdicts = yield from together([self._judge_canary(each) for each in self.canaries])
        failed = [each for each, verdict in zip(self.canaries, verdicts, strict=True) if each.problem(verdict)]
        verdicts = yield from together([asked_anew(self._judge_canary(each)) for each in failed])
        for canary, verdict in zip(failed, verdicts, strict=True):
            if problem := canary.problem(verdict):
                raise ConfigError(problem)
        return []

    def _judge_canary(self, canary: Canary) -> Asking[Verdict]:
        shown = canary.sources, canary.edit, canary.instruction
        return self.judge(*shown, Kind(), drawn=canary.drawn, only=canary.expects)

    def judge(
        self,
        sources: Sequence[str],
        edit: str,
        instruction: str,
        kind: Kind,
        *,
        drawn: Drawn | None = None,
        only: Collection[str] = (),
    ) -> Asking[Verdict]:
        """Make a generator that asks for the verdict on an edit or a drawing.

        `steps` of an operator runs it: `verdict = yield from judge.judge(...)`. A question whose answer cannot be read
        is asked again, up to `asks` times; then the edit is unjudged.

        Args:
            sources: paths of the source pictures, in order.
            edit: path of the picture that is judged; ignored by a rubric whose questions do not show it.
            instruction: the instruction of the row.
            kind: the kind of the edit; `Kind()` if its operation is not known.
            drawn: the description of the drawing; None for an edit.
            only: names of axes: only the questions with one of these axes are asked; empty: all questions.

        Raises:
            AnswerError: a request failed: the row is a failed row, and the next run asks again.
        """
        names = [
            name
            for name in self.rubric.questions
            if any(not only or axis.name in only for axis in self.rubric.axes_of(name, kind))
        ]
        prompts = {name: self.rubric.prompt(name, kind, instruction, drawn) for name in names}
        asked = [
            (name, self._request(name, prompts[name], sources, edit, kind, number))
            for name in names
            for number in range(self.passes)
        ]
        answers = [*(yield [request for _, request in asked])]
        read = [self._read(name, answer, kind) for (name, _), answer in zip(asked, answers, strict=True)]
        costs = [answer.cost for answer in answers]
        for added in range(_AGAIN, _AGAIN * self.asks, _AGAIN):
            # A refused question is not asked again: its opinion is None, but its answer has an error.
            unread = [index for index, opinion in enumerate(read) if opinion is None and not answers[index].error]
            if not unread:
                break
            further = yield [replace(asked[index][1], repeat=added + asked[index][1].repeat) for index in unread]
            costs += [answer.cost for answer in further]
            for index, answer in zip(unread, further, strict=True):
                answers[index], read[index] = answer, self._read(asked[index][0], answer, kind)
        by_question: dict[str, list[Opinion | None]] = {name: [] for name in names}
        for (name, _), opinion in zip(asked, read, strict=True):
            by_question[name].append(opinion)
        return self._verdict([*by_question.values()], sum_of(costs))

    def _request(
        self, question: str, prompt: str, sources: Sequence[str], edit: str, kind: Kind, number: int
    ) -> Request:
        shows = self.rubric.questions[question].shows
        given = tuple(sources) if "sources" in shows else ()
        edited = (edit,) if "edit" in shows else ()
        return Request(
            prompt,
            (*given, *edited),
            makes="text",
            repeat=number,
            worker=JUDGE,
            schema=self.rubric.schema(question, kind),
            labels=(*source_labels(len(given)), *["Edited picture:"][: len(edited)]) if given else (),
        )

    def _read(self, question: str, answer: Answer, kind: Kind) -> Opinion | None:
        if answer.error is not None and answer.error.kind == "refused":
            return None
        axes = [axis.name for axis in self.rubric.axes_of(question, kind)]
        try:
            return read_opinion(answer.raise_for_error().text, axes, scale=self.rubric.scale)
        except UnfitAnswer:
            return None

    def _verdict(self, opinions: Sequence[Sequence[Opinion | None]], cost: int | None) -> Verdict:
        """Make the verdict of the opinions of all passes, question by question; one read pass of each is enough."""
        read = [[each for each in of_question if each is not None] for of_question in opinions]
        unjudged = Verdict(None, judge=self.digest, rubric=self.rubric.digest, cost=cost)
        if not all(read):
            return replace(unjudged, critique="the judge's answer could not be read, or it refused to answer")
        means = [mean_opinion(each) for each in read]
        axes = {name: number for mean in means for name, number in mean.axes.items()}
        questions = {axis.name: axis.question for axis in self.rubric.axes}
        reasons = [mean.words.get("reasoning", "") for mean in means]
        return replace(
            unjudged,
            accepted=passes(axes, self.thresholds),
            score=score_of(axes, questions),
            axes=axes,
            critique=" ".join(filter(None, reasons)),
        )


def make_judge(
    worker: Worker,
    rubric: Rubric | str | Path | None,
    thresholds: Thresholds,
    *,
    passes: int = 1,
    canaries: bool | str | Path = True,
    asks: int = 2,
) -> Judge:
    """Make a judge of a worker.

    Args:
        worker: answers the questions.
        rubric: a rubric, or the path of a rubric file; None: the shipped rubric about edits.
        thresholds: the least number, 0 to 10, that each axis needs: one number for all axes, a mapping by axis, a
            promise, or the path of a `thresholds.json`.
        passes: number of times that each question is asked, from 1.
        canaries: True: the shipped photographs; a path: a file of canaries; False: none.
        asks: greatest number of times that a question is asked until its answer can be read, from 1.

    Raises:
        ConfigError: `passes` or `asks` is below 1; the thresholds name an axis that the rubric has not, belong to
            another judge or are not on the scale; or a file cannot be read.
    """
    if passes < 1:
        raise ConfigError(f"passes is {passes}: give how often each question is asked, from 1")
    if asks < 1:
        raise ConfigError(f"asks is {asks}: give how often at most a question is asked until it is answered, from 1")
    if rubric is None:
        rubric = shipped_rubric()
    elif not isinstance(rubric, Rubric):
        rubric = read_rubric(rubric)
    digest = digest_fingerprint(worker.fingerprint()).hex()[:16]
    promise = None
    if isinstance(thresholds, Promise | str | Path):
        promise = promise_for(thresholds, judge=digest, rubric=rubric, passes=passes)
        thresholds = promise.least
    least = check_thresholds(thresholds, [axis.name for axis in rubric.axes])
    known = read_canaries(PHOTOGRAPHS if canaries is True else canaries) if canaries else ()
    return Judge(rubric, least, passes, digest, known, asks, promise)


def source_labels(count: int) -> list[str]:
    """Return the text before each of the source pictures in a request to a judge."""
    return ["Given picture:"] if count == 1 else [f"Given picture {n}:" for n in range(1, count + 1)]
