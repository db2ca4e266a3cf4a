"""Asks a judge about one edit, as a part of an operator's generator."""

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

_AGAIN = 1000  # added to the number of a pass for each request that asks again what could not be read


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge with its rubric.

    Args:
        rubric: what it is asked.
        thresholds: the least number of each axis.
        passes: how often each question is asked; the numbers are the means.
        digest: of the worker that answers.
        canaries: pairs with known answers.
        asks: how often a question is asked at most until its answer can be read.
        promise: where the thresholds come from, if they are calibrated.
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
        """How it is asked and what it promises, for the figures of a step."""
        return {"passes": self.passes, "promise": self.promise and self.promise.as_row()}

    @property
    def expects(self) -> tuple[int, int]:
        """Requests for one edit: usually, and at most."""
        usual = len(self.rubric.questions) * self.passes
        return usual, self.asks * usual

    def prove(self) -> Asking[list[Row | Side]] | None:
        """Ask about each canary, all at once; what an operator asks before its rows. None: there are none.

        A wrong answer of an earlier run is asked for anew: a judge may have been put right under the same name.

        Raises:
            ConfigError: in the generator: an answer is not as it must be; says of which pair, and what the judge said.
        """
        return self._prove() if self.canaries else None

    def _prove(self) -> Asking[list[Row | Side]]:
        verdicts = yield from together([self._about(each) for each in self.canaries])
        failed = [each for each, verdict in zip(self.canaries, verdicts, strict=True) if each.problem(verdict)]
        verdicts = yield from together([asked_anew(self._about(each)) for each in failed])
        for canary, verdict in zip(failed, verdicts, strict=True):
            if problem := canary.problem(verdict):
                raise ConfigError(problem)
        return []

    def _about(self, canary: Canary) -> Asking[Verdict]:
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
        """Ask about an edit or a drawing; what cannot be read is asked again, then the picture is unjudged.

        Args:
            sources: paths of the pictures it started from, in order.
            edit: path of the picture that is judged; for a rubric that shows none, anything.
            instruction: the row's.
            kind: of the edit.
            drawn: how the picture came about, if it is a drawing.
            only: axes whose questions alone are asked; empty: all.

        Raises:
            AnswerError: the judge did not answer: the row fails, and the next run asks again.
        """
        names = [
            name
            for name in self.rubric.questions
            if any(not only or axis.name in only for axis in self.rubric.axes_of(name, kind))
        ]
        told = {name: self.rubric.prompt(name, kind, instruction, drawn) for name in names}
        asked = [
            (name, self._request(name, told[name], sources, edit, kind, number))
            for name in names
            for number in range(self.passes)
        ]
        answers = [*(yield [request for _, request in asked])]
        read = [self._read(name, answer, kind) for (name, _), answer in zip(asked, answers, strict=True)]
        costs = [answer.cost for answer in answers]
        for more in range(_AGAIN, _AGAIN * self.asks, _AGAIN):
            unread = [at for at, opinion in enumerate(read) if opinion is None and answers[at].error is None]
            if not unread:
                break
            again = yield [replace(asked[at][1], repeat=more + asked[at][1].repeat) for at in unread]
            costs += [answer.cost for answer in again]
            for at, answer in zip(unread, again, strict=True):
                answers[at], read[at] = answer, self._read(asked[at][0], answer, kind)
        by_question = [[read[at] for at, (each, _) in enumerate(asked) if each == name] for name in names]
        return self._verdict(by_question, kind, sum_of(costs))

    def _request(
        self, question: str, prompt: str, sources: Sequence[str], edit: str, kind: Kind, number: int
    ) -> Request:
        shows = self.rubric.questions[question].shows
        given = tuple(sources) if "sources" in shows else ()
        made = (edit,) if "edit" in shows else ()
        return Request(
            prompt,
            (*given, *made),
            makes="text",
            repeat=number,
            worker=JUDGE,
            schema=self.rubric.schema(question, kind),
            labels=(*source_labels(len(given)), *["Edited picture:"][: len(made)]) if given else (),
        )

    def _read(self, question: str, answer: Answer, kind: Kind) -> Opinion | None:
        if answer.error is not None and answer.error.kind == "refused":
            return None
        axes = [axis.name for axis in self.rubric.axes_of(question, kind)]
        try:
            return read_opinion(answer.raise_for_error().text, axes, scale=self.rubric.scale)
        except UnfitAnswer:
            return None

    def _verdict(self, opinions: Sequence[Sequence[Opinion | None]], kind: Kind, cost: int | None) -> Verdict:
        read = [[each for each in passes if each is not None] for passes in opinions]
        known = Verdict(None, judge=self.digest, rubric=self.rubric.digest, cost=cost)
        if not all(read):
            return replace(known, critique="the judge's answer could not be read, or it refused to answer")
        means = [mean_opinion(each) for each in read]
        axes = {name: number for mean in means for name, number in mean.axes.items()}
        questions = {axis.name: axis.question for axis in self.rubric.axes}
        said = [mean.words.get("reasoning", "") for mean in means]
        return replace(
            known,
            accepted=passes(axes, self.thresholds),
            score=score_of(axes, questions),
            axes=axes,
            critique=" ".join(filter(None, said)),
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
    """A judge that is this worker.

    Args:
        worker: answers.
        rubric: what it is asked, or the path of a rubric file; None: the shipped one about edits.
        thresholds: the least number of the axes, a promise, or the path of its `thresholds.json`.
        passes: how often each question is asked.
        canaries: True: the shipped photographs; a path: of a file of one's own; False: none.
        asks: how often a question is asked at most until its answer can be read.

    Raises:
        ConfigError: passes or asks below 1; thresholds of other axes, of another judge or off the scale; a file that
            cannot be read.
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
    """Of the given pictures, before a judge is shown them."""
    return ["Given picture:"] if count == 1 else [f"Given picture {n}:" for n in range(1, count + 1)]
