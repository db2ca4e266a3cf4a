"""The figures of one run of a step, in words for users and as JSON for the step's meta and errors files.

Over 300 lines with its docstrings: every figure of a run, with the words in which it is shown.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from dataflow.core.intervals import Interval, share_of
from dataflow.core.model_names import is_same_model
from dataflow.core.records import JSON, NANO, Row
from dataflow.core.words import WIDTH, count_of, cut, fill, grouped, show_amount, three_digits
from dataflow.core.worker import JUDGE, Worker
from dataflow.errors import Failure, UnfitAnswer, plain
from dataflow.flow.counts import Counts, kept_words
from dataflow.flow.held_back import describe_wait
from dataflow.flow.recipe import Recipe
from dataflow.flow.walk import Walk
from dataflow.judging.verdict import EDITS_ACCEPTED, EDITS_REJECTED, REJECTED, UNJUDGED
from dataflow.money.estimate import GIVE_PRICE, Estimate
from dataflow.money.ledger import Ledger
from dataflow.utils.storage import Step

_REASONS = 3  # kinds of failures that a summary names; the errors file has all
_LONGEST_NAME = 60  # characters of a model's name
_LIBRARIES = "libraries"
_LONGEST = 300  # characters of a reason in an error, and of a model's text in the errors file
SURPLUS = "surplus"
"""Side output of rows whose edit is accepted and that a set does not take, since it has enough of their kind."""
DROPPED = "dropped"
"""Side output of the rows that a filter judged and dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of one run of a step, when it has ended or while it runs.

    Args:
        step: the step's number.
        target: path of the step's file.
        operator: its name.
        began: when the run began, in seconds since 1970.
        seconds: wall time.
        rows_in: rows that come in; where the step makes its rows itself, without those that it made again.
        rows_done: how many of `rows_in` need nothing more, whether they are written or not.
        rows_answered: how many of `rows_in` waited for an answer of this run.
        kept: rows that were kept as they are, since their output column has a value.
        output: name of the output column; empty for a filter and where the step makes its own rows.
        rows_per_second: the current speed, of the rows that must be asked if there are any; 0: not known.
        rows: rows written, with failed rows unless the step is a filter or makes its rows itself.
        failed: rows without a result.
        short: rows that a quota wants and that the step does not make.
        reasons: reason → how many rows failed for it.
        requests: requests sent in this run, retries included.
        requests_before: requests that earlier runs of the step sent, as far as their figures are kept.
        retried: failed attempts of this run after which another one was made.
        retry_reason: why the last of them failed.
        retried_before: `retried` of all earlier runs of the step.
        in_flight: requests that were sent and have no answer yet.
        pause: why no requests are sent now; empty if they are.
        held_seconds: seconds in which servers had free places and no further row could be begun, since as many were
            open as the step allows.
        held_rows: how many rows the step allows to be open; 0 if `held_seconds` is 0.
        reused: answers taken from the journal.
        adopted: pictures that a killed run stored without a journal line, and that were taken over.
        lost: journalled answers that were asked again because their picture was gone.
        maybe_paid: requests that may have been paid without an answer: in this run, those that broke off after they
            were sent; in earlier runs, those that were sent and never ended.
        pictures: pictures received in this run.
        accepted: pictures in the step's file that this step made, in this run or before; for a filter, rows.
        accepted_new: how many of `accepted` belong to rows that an answer of this run completed.
        accepted_before: how many results earlier runs of the step accepted, in its file or not, as far as their figures
            are kept, without those from before anything in the directory cost money.
        accepts: what `accepted` counts, for people: "picture"; where a judge or a filter accepts, "accepted picture" or
            "accepted row".
        rows_replaced: how many rows the step's file was made of before, if more than come in now; else 0.
        sides: rows written to each side output of the operator.
        currency: of the costs; empty where nobody charges.
        cost: what this run of the step cost, with failed attempts and refusals.
        cost_before: what earlier runs of the step cost, as far as their figures are kept.
        cost_elsewhere: what the steps cost that this step's file does not depend on.
        costs: name of a worker → what the requests to it cost; together they are `cost`.
        costs_before: name of a worker → what the requests to it cost in earlier runs; together they are `cost_before`.
        judged: how the step judges and which promise of precision that keeps; empty if it does not judge, or if kept
            rows were judged in another way.
        spent: what all steps and runs in the cache directory have cost so far, by the journal.
        estimated: the part of `spent` that is the price of usual pictures, since replies counted no tokens.
        unsure: what the attempts of unknown cost, and those that were cut off, may have cost at most beside `spent`.
        untold: attempts of this run of unknown cost: the reply names none, or the model has no price.
        unpaid: requests that `max_cost` left no room for, with `at_limit="finish"`.
        unpriced: attempts in the cache directory of unknown cost whose model has no price.
        input_tokens: tokens that this run sent, as the replies count them.
        output_tokens: tokens that it received.
        answered_by: name of a worker → model that answered, as replies name it → how many of the answers that rows are
            made of it gave, in this run or before. Replies that name no model are not counted.
        asked: name of a worker that charges → model that it was asked for.
        of_rows: what a source says of the rows that it makes, as parts of a sentence.
        estimate: what a run would send and cost; None unless this was a dry run, which sends and writes nothing.
    """

    step: int
    target: str
    operator: str = ""
    began: float = 0.0
    seconds: float = 0.0
    rows_in: int = 0
    rows_done: int = 0
    rows_answered: int = 0
    kept: int = 0
    output: str = ""
    rows_per_second: float = 0.0
    rows: int = 0
    failed: int = 0
    short: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    requests: int = 0
    requests_before: int = 0
    retried: int = 0
    retry_reason: str = ""
    retried_before: int = 0
    in_flight: int = 0
    pause: str = ""
    held_seconds: float = 0.0
    held_rows: int = 0
    reused: int = 0
    adopted: int = 0
    lost: int = 0
    maybe_paid: int = 0
    pictures: int = 0
    accepted: int = 0
    accepted_new: int = 0
    accepted_before: int = 0
    accepts: str = "picture"
    rows_replaced: int = 0
    sides: Mapping[str, int] = field(default_factory=dict)
    currency: str = ""
    cost: float = 0.0
    cost_before: float = 0.0
    cost_elsewhere: float = 0.0
    costs: Mapping[str, float] = field(default_factory=dict)
    costs_before: Mapping[str, float] = field(default_factory=dict)
    judged: Row = field(default_factory=dict)
    spent: float = 0.0
    estimated: float = 0.0
    unsure: float = 0.0
    untold: int = 0
    unpaid: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    answered_by: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    of_rows: Sequence[str] = ()
    estimate: Estimate | None = None

    @property
    def cost_per_image(self) -> float | None:
        """The cost of this step and the steps before it for each picture that was accepted so far, in the currency.

        A picture that was accepted and is no longer in the step's file counts too. For a filter it is the cost of an
        accepted row. None if nothing was accepted, or nothing has a known cost.
        """
        accepted = max(self.accepted, self.accepted_before + self.accepted_new)
        cost = self.spent - self.cost_elsewhere
        return cost / accepted if accepted and cost > 0 and not self.unpriced else None

    def __str__(self) -> str:
        lines = self._ran() if self.estimate is None else self._rehearsed(self.estimate)
        return plain("\n".join([lines[0].strip(), *lines[1:]]))

    __repr__ = __str__  # a prompt would show all fifty fields

    def _repr_html_(self) -> str:
        """HTML for a notebook: the words of the summary, and the first rows of the step's file with pictures."""
        from dataflow.view.html import summary_html  # late: only a notebook needs the code for pictures

        return summary_html(str(self), "" if self.estimate is not None else self.target)

    @property
    def why(self) -> str:
        """The most frequent reason for which rows failed, in one line; empty if no row failed."""
        return next((cut(line, _LONGEST) for line in grouped(self.reasons, 1)), "")

    def _ran(self) -> list[str]:
        """The lines of a run's summary."""
        kept = " kept" if DROPPED in self.sides else ""
        parts = [f"step {self.step}: {count_of(self.rows, 'row')}{kept}"]
        parts += [f"{rows:,} {name}" for name, rows in self.sides.items()]
        parts += self._passed()
        parts += self._replaced("in place of")
        parts.append(f"{self.failed:,} failed")
        if self.pictures:
            parts.append(f"{three_digits(self.pictures / max(self.seconds, 1e-3))} images/s")
        parts.append(f"{count_of(self.requests, 'request')} sent")
        parts.append(f"{self.reused:,} answered before")
        if self.adopted:
            parts.append(f"{count_of(self.adopted, 'picture')} adopted")
        if self.lost:
            parts.append(f"{self.lost:,} asked again (picture gone)")
        if self.maybe_paid:
            parts.append(f"{self.maybe_paid:,} may have been paid without an answer")
        parts.append(f"{self.seconds:.1f} s")
        lines = [
            *fill(parts),
            *fill(self.of_rows),
            *self._reasons(),
            *fill(self._kept()),
            *fill(self._answered()),
            *fill(self.cost_in_words),
        ]
        return [*lines, f"  -> {self.target}"]

    @property
    def pass_rate(self) -> Interval | None:
        """The share of accepted rows among those that were judged, with its interval; None if none was judged.

        Where rejected edits stay in their rows, it is the share of edits.
        """
        accepted, rejected = self.accepted, self.sides.get(REJECTED)
        if rejected is None:
            accepted, rejected = (self.sides.get(name, 0) for name in (EDITS_ACCEPTED, EDITS_REJECTED))
        accepted += self.sides.get(SURPLUS, 0)
        return share_of(accepted, accepted + rejected) if accepted + rejected else None

    def figures(self) -> Row:
        """All fields and what follows from them, as the meta file and the status file have them."""
        return {
            **asdict(self),
            "unjudged": sum(rows for reason, rows in self.reasons.items() if reason.startswith(UNJUDGED)),
            "pass_rate": self.pass_rate and list(self.pass_rate),
            "cost_per_accepted": self.cost_per_image,
        }

    def _passed(self) -> list[str]:
        if (rate := self.pass_rate) is None:
            return []
        return [f"{rate.share:.0%} accepted ({rate.low:.0%} to {rate.high:.0%})"]

    def _rehearsed(self, estimate: Estimate) -> list[str]:
        """The lines of a dry run's summary."""
        upto = "up to " if estimate.up_to else ""
        rows = self.rows_in if self.of_rows else self.rows
        parts = [f"step {self.step} (dry run): {upto}{count_of(rows, 'row')}"]
        if self.failed:
            parts.append(f"{self.failed:,} cannot be asked")
        parts += self._replaced("which would replace")
        parts += self._outlook(estimate) if self.of_rows else str(estimate).split(", ")
        if self.lost:
            parts.append(f"{self.lost:,} of them again (picture gone)")
        if self.spent or self.unsure:
            parts.append(f"{show_amount(round(self.spent * NANO), self.currency)} spent so far")
        return [*fill(parts), *fill(self.of_rows), *self._reasons(), *fill(self._kept())]

    def _outlook(self, estimate: Estimate) -> list[str]:
        """What a dry run knows of rows that their source has yet to make, beside what the source says."""
        return [f"{estimate.answered:,} answered already", estimate.time_in_words]

    def _reasons(self) -> list[str]:
        return [f"  {cut(line, WIDTH - 2)}" for line in grouped(self.reasons, _REASONS)]

    def _kept(self) -> list[str]:
        return [kept_words(self.kept, self.output)] if self.kept else []

    def _replaced(self, how: str) -> list[str]:
        rows = f"{how} those of {self.rows_replaced:,} rows, whose answers are kept"
        return [rows] if self.rows_replaced else []

    def _answered(self) -> list[str]:
        """Which models answered, the most frequent first; empty if each answer is of the model that was asked for."""
        if all(is_same_model(self.asked.get(name, ""), who) for name, by in self.answered_by.items() for who in by):
            return []
        total = sum(map(Counter, self.answered_by.values()), Counter[str]())
        counts = [f"{cut(who, _LONGEST_NAME)} ({count:,})" for who, count in total.most_common(_REASONS)]
        further = total.total() - sum(count for _, count in total.most_common(_REASONS))
        more = [f"others ({further:,})"] if further else []
        return [f"answered by {counts[0]}", *counts[1:], *more] if counts else []

    @property
    def cost_in_words(self) -> list[str]:
        """The costs in words, as parts of a sentence; empty where nobody charges."""
        if not self.currency:
            return []

        def show(amount: float) -> str:
            return show_amount(round(amount * NANO), self.currency)

        parts = [f"{show(self.cost)} spent" + (" as far as known" if self.unpriced else "")]
        if self.spent > self.cost:
            parts.append(f"{show(self.spent)} in all")
        if self.estimated:
            parts.append(f"{show(self.estimated)} estimated, since replies counted no tokens")
        if self.unsure:
            parts.append(f"up to {show(self.unsure)} more by requests of unknown cost")
        if self.unpriced:
            unknown = f"{count_of(self.unpriced, 'attempt')} of unknown cost"
            parts.append(f"{unknown}: the model has no price, {GIVE_PRICE}")
        elif self.untold:
            parts.append(f"{count_of(self.untold, 'attempt')} of unknown cost")
        if self.unpaid:
            parts.append(f"{count_of(self.unpaid, 'request')} left out, for which max_cost leaves no room")
        if self.cost_per_image is not None:
            least = "at least " if self.unsure else ""
            parts.append(f"{least}{show(self.cost_per_image)} per {self.accepts}")
        if self.input_tokens or self.output_tokens:
            parts.append(f"{count_of(self.input_tokens, 'token')} in and {self.output_tokens:,} out")
        return parts


_COUNTED = {figure.name for figure in fields(Counts)} & {figure.name for figure in fields(Summary)}
_COSTS = {"cost", "cost_before", "cost_elsewhere", "costs", "costs_before"}
_DERIVED = {"answered_by", "reasons", "sides", "currency", *_COSTS}


def snapshot(step: Step, recipe: Recipe, counts: Counts, ledger: Ledger) -> Summary:
    """A frozen copy of the figures of a run as they are now.

    Args:
        step: the step that runs.
        recipe: what the step does.
        counts: its figures.
        ledger: the sums of money of the cache directory.
    """
    seconds = time.monotonic() - counts.started
    return Summary(
        step=step.number,
        target=str(step.target),
        operator=recipe.name,
        seconds=seconds,
        rows_per_second=counts.speed.rate(),
        short=0 if recipe.source is None else recipe.source.short,
        reasons=dict(counts.reasons),
        sides=dict(counts.sides),
        answered_by=counts.answered_by.counts(),
        asked=counts.answered_by.asked,
        of_rows=() if recipe.source is None else (*recipe.source.describe(), *describe_wait(counts, seconds)),
        accepts=_what_is_accepted(recipe),
        currency=ledger.currency,
        cost=counts.cost / NANO,
        cost_before=counts.cost_before / NANO,
        cost_elsewhere=counts.cost_elsewhere / NANO,
        costs={name: cost / NANO for name, cost in counts.costs.items()},
        costs_before={name: cost / NANO for name, cost in counts.costs_before.items()},
        judged={} if counts.kept else recipe.judged,
        spent=ledger.spent / NANO,
        estimated=ledger.estimated / NANO,
        unsure=ledger.unsure / NANO,
        unpriced=ledger.unpriced,
        **{name: getattr(counts, name) for name in _COUNTED - _DERIVED},
    )


def _what_is_accepted(recipe: Recipe) -> str:
    if recipe.output is None or REJECTED in recipe.sides:
        return "accepted row"
    return "accepted picture" if DROPPED in recipe.sides or JUDGE in recipe.workers else "picture"


def describe_step(
    recipe: Recipe,
    summary: Summary,
    ledger: Ledger,
    fingerprints: Mapping[str, Sequence[Mapping[str, JSON]]],
    before: Row,
) -> dict[str, JSON]:
    """The contents of a finished step's meta file: its figures, its models and its costs.

    Args:
        recipe: what the step does.
        summary: its figures.
        ledger: the sums of money of the cache directory.
        fingerprints: name of a worker → the fingerprints in the ids of its answers, as `Ids.fingerprints` returns them.
        before: the contents of the meta file of the run before; empty if there is none.
    """
    workers: dict[str, JSON] = {}
    for name, worker in recipe.workers.items():
        first, *further = fingerprints[name]
        known: dict[str, JSON] = {"fingerprint": dict(first)}
        if further:
            known["other_fingerprints"] = [dict(fingerprint) for fingerprint in further]
        if worker.licence:
            known["licence"] = worker.licence
        workers[name] = known
    meta: dict[str, JSON] = {"rows": summary.rows, "failed": summary.failed, "operator": recipe.name}
    meta["workers"] = workers
    meta["made_by"] = {
        name: _made_by(worker, name, summary, before) | _models(worker, fingerprints[name])
        for name, worker in recipe.workers.items()
    }
    meta["cost"] = {
        "directory": summary.spent,
        "directory_unsure": summary.unsure,
        "this_run": summary.cost,
        "currency": summary.currency,
        "prices_of": ledger.price_date,
        "input_tokens": summary.input_tokens,
        "output_tokens": summary.output_tokens,
        "accepted_pictures": 0 if recipe.output is None else summary.accepted,
    }
    if recipe.sides:
        meta["sides"] = dict(summary.sides)
    if recipe.source is not None:
        meta["report"] = dict(recipe.source.report())
    meta["summary"] = summary.figures()
    return meta


def _made_by(worker: Worker, name: str, summary: Summary, before: Row) -> dict[str, JSON]:
    """Where a worker's answers come from; the versions of libraries are those of the last run that sent a request."""
    made_by = dict(worker.provenance())
    if not summary.requests and _LIBRARIES in made_by:
        del made_by[_LIBRARIES]
        earlier = before.get("made_by", {}).get(name, {})
        made_by |= {key: earlier[key] for key in (_LIBRARIES,) if key in earlier}
    if name in summary.answered_by:
        made_by["answered_by"] = dict(summary.answered_by[name])
    return made_by


def _models(worker: Worker, fingerprints: Sequence[Mapping[str, JSON]]) -> dict[str, JSON]:
    """The models in the fingerprints of a worker's answers, if they are not just the model that it asks now."""
    named = (fingerprint.get("model") for fingerprint in fingerprints)
    models = dict.fromkeys(model for model in named if isinstance(model, str))
    return {} if [*models] in ([], [worker.fingerprint().get("model")]) else {"model": ", ".join(models)}


def describe_failure(source: Path | None, walk: Walk, inputs: tuple[str, ...]) -> Row:
    """The line of the errors file for a failed row.

    Args:
        source: path of the file that the row is from; None where the step makes its rows itself.
        walk: the row, which has failed.
        inputs: the columns whose values the line has.
    """
    error = walk.error
    line: Row = {} if source is None else {"source": str(source), "line": walk.line}
    line |= {"row": walk.index, "class": "row", "reason": str(error)}
    if isinstance(error, UnfitAnswer):
        line["said"] = cut(plain(error.said), _LONGEST)
    if isinstance(error, Failure):
        line["class"] = error.kind
        line["attempts"] = error.attempts
        line["said"] = error.said
        line["maybe_paid"] = error.maybe_paid
    return {**line, "fields": {column: walk.row.get(column) for column in inputs}}
