"""What one run of a step came to, for people and for the files beside the step's own.

Over 300 lines with its docstrings: every figure of a run, with the sentence that tells it.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from dataflow.core.model_names import is_same_model
from dataflow.core.records import JSON, NANO, Row
from dataflow.core.shares import Interval, share_of
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

_REASONS = 3  # kinds that a summary names; the errors file has all
_LONGEST_NAME = 60  # characters of a model's
_LIBRARIES = "libraries"
_LONGEST = 300  # characters of the one reason that an error gives, and of what a model said
SURPLUS = "surplus"
"""Side output of rows with an accepted edit that a set does not take."""
DROPPED = "dropped"
"""Side output of the rows that a filter judged and did not keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of one run of a step: what it came to, or how far it is.

    Args:
        step: the step's number.
        target: path of the step's file.
        operator: its name.
        began: when the run began, in seconds since 1970.
        seconds: wall time.
        rows_in: rows that come in; of a source of the step's own, without those that it makes another in place of.
        rows_done: of these, rows that need nothing more, written or not.
        rows_answered: of these, rows that waited for an answer of this run.
        kept: rows that nothing was asked for, since they have a value in the output column.
        output: name of the output column; empty for a filter and where the step makes its own rows.
        rows_per_second: how fast rows are done of late, those alone that must be asked if any must; 0: not known.
        rows: rows written, failed ones included but for those of a filter or a source.
        failed: rows without a result.
        short: rows that are wanted of a source and not there: a quota that is not met.
        reasons: how many rows failed for each reason.
        requests: requests sent in this run, retries included.
        requests_before: requests that earlier runs of the step sent, as far as their figures are there.
        retried: attempts of this run that another one followed.
        retry_reason: why the last of them failed.
        retried_before: those of earlier runs.
        in_flight: requests under way.
        pause: what answers wait for.
        held_seconds: seconds in which servers had free places, and no row could be begun beside those that may be open.
        held_rows: so many may be.
        reused: answers taken from the journal.
        adopted: pictures that lay whole on disk without a journal line.
        lost: journalled answers asked again because their picture was gone.
        maybe_paid: requests that may have been paid without an answer: of this run, those that broke off after
            they were sent; of earlier runs, those that were sent and never ended.
        pictures: pictures received in this run.
        accepted: pictures in the step's file that were made for it, in this run or before; of a filter, rows.
        accepted_new: of these, those whose row an answer of this run completed.
        accepted_before: what earlier runs of the step accepted, in its file or not, as far as their figures are there;
            without those of a time in which nothing in the directory had cost anything.
        accepts: what `accepted` counts, for people: "picture"; where a judge or a filter accepts, "accepted picture" or
            "accepted row".
        rows_replaced: rows that the step's file was made of before, where that were more than come in now.
        sides: rows written to each side output of the operator.
        currency: of the costs; empty where nobody charges.
        cost: what this run of the step cost, failed attempts and refusals included.
        cost_before: what earlier runs of the step cost, as far as their figures are there.
        cost_elsewhere: what steps cost on which the step's file does not depend, when the run began.
        costs: of `cost`, what the requests to each worker cost.
        costs_before: of `cost_before` the same.
        judged: how somebody judged, and which promise that keeps; empty where nobody did, or others judged kept rows.
        spent: what everything in the directory has cost so far, by its journal.
        estimated: of this, the price of usual pictures whose replies counted no tokens.
        unsure: what attempts of unknown cost, or that were cut off, may have cost at most beside that.
        untold: attempts of this run whose cost is unknown: the reply names none, or the model has no price.
        unpaid: requests that `max_cost` left no room for, where the run was told to finish without them.
        unpriced: attempts in the directory of unknown cost, and whose model has no price.
        input_tokens: tokens sent in this run, as the replies say.
        output_tokens: tokens that came back.
        answered_by: name of a worker → the model that answered, as replies name it → answers that rows are made of, of
            this run or before. Who says nothing of it is in none.
        asked: name of a worker → the model asked for, where somebody charges.
        of_rows: what a source says of the rows that it makes, part by part.
        estimate: of a dry run, which sent and wrote nothing.
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
        """What this step and those before it have cost for each picture accepted so far, in the step's file or no more.

        Of a filter it is for each row. None if there is none, or nothing of the cost is known.
        """
        accepted = max(self.accepted, self.accepted_before + self.accepted_new)
        cost = self.spent - self.cost_elsewhere
        return cost / accepted if accepted and cost > 0 and not self.unpriced else None

    def __str__(self) -> str:
        lines = self._ran() if self.estimate is None else self._rehearsed(self.estimate)
        return plain("\n".join([lines[0].strip(), *lines[1:]]))

    __repr__ = __str__  # at a prompt nobody reads fifty fields

    def _repr_html_(self) -> str:
        """What a notebook shows: the same words, and the first rows of the step's file with their pictures."""
        from dataflow.view.html import summary_html  # a notebook alone needs pictures

        return summary_html(str(self), "" if self.estimate is not None else self.target)

    @property
    def why(self) -> str:
        """The most frequent reason for which rows failed, in one line; empty if none did."""
        return next((cut(line, _LONGEST) for line in grouped(self.reasons, 1)), "")

    def _ran(self) -> list[str]:
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
        told = [
            *fill(parts),
            *fill(self.of_rows),
            *self._reasons(),
            *fill(self._kept()),
            *fill(self._answered()),
            *fill(self.cost_in_words),
        ]
        return [*told, f"  -> {self.target}"]

    @property
    def pass_rate(self) -> Interval | None:
        """The share of accepted rows among those that were judged, or of edits that stay in theirs; None: none were."""
        accepted, rejected = self.accepted, self.sides.get(REJECTED)
        if rejected is None:
            accepted, rejected = (self.sides.get(name, 0) for name in (EDITS_ACCEPTED, EDITS_REJECTED))
        accepted += self.sides.get(SURPLUS, 0)
        return share_of(accepted, accepted + rejected) if accepted + rejected else None

    def figures(self) -> Row:
        """All of it, with what follows from it, for the files beside the step's own."""
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
        """What is known of rows that are yet to be begun, beside what their source says."""
        return [f"{estimate.answered:,} answered already", estimate.time_in_words]

    def _reasons(self) -> list[str]:
        return [f"  {cut(line, WIDTH - 2)}" for line in grouped(self.reasons, _REASONS)]

    def _kept(self) -> list[str]:
        return [kept_words(self.kept, self.output)] if self.kept else []

    def _replaced(self, how: str) -> list[str]:
        rows = f"{how} those of {self.rows_replaced:,} rows, whose answers are kept"
        return [rows] if self.rows_replaced else []

    def _answered(self) -> list[str]:
        """Which models answered, most first; empty where each answer is of the one asked for."""
        if all(is_same_model(self.asked.get(name, ""), who) for name, by in self.answered_by.items() for who in by):
            return []
        total = sum(map(Counter, self.answered_by.values()), Counter[str]())
        counts = [f"{cut(who, _LONGEST_NAME)} ({count:,})" for who, count in total.most_common(_REASONS)]
        further = total.total() - sum(count for _, count in total.most_common(_REASONS))
        more = [f"others ({further:,})"] if further else []
        return [f"answered by {counts[0]}", *counts[1:], *more] if counts else []

    @property
    def cost_in_words(self) -> list[str]:
        """What the run cost, part by part; empty where nobody charges."""
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
            parts.append(f"up to {show(self.unsure)} more by requests that told no cost")
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


_COUNTED = {each.name for each in fields(Counts)} & {each.name for each in fields(Summary)}
_COSTS = {"cost", "cost_before", "cost_elsewhere", "costs", "costs_before"}
_DERIVED = {"answered_by", "reasons", "sides", "currency", *_COSTS}


def snapshot(step: Step, recipe: Recipe, counts: Counts, ledger: Ledger) -> Summary:
    """The figures of a run as they are now."""
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
    """What stands beside a finished step: what it came to, and who answered.

    Args:
        recipe: of the step.
        summary: what it came to.
        ledger: what it cost.
        fingerprints: worker → those in the ids of its answers; more than one where what it asks has changed.
        before: what stood there before.
    """
    workers: dict[str, JSON] = {}
    for name, worker in recipe.workers.items():
        first, *others = fingerprints[name]
        known: dict[str, JSON] = {"fingerprint": dict(first)}
        if others:
            known["other_fingerprints"] = [dict(each) for each in others]
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
    """Where a worker's answers come from; libraries in the versions of the last run that asked anything."""
    made_by = dict(worker.provenance())
    if not summary.requests and _LIBRARIES in made_by:
        del made_by[_LIBRARIES]
        earlier = before.get("made_by", {}).get(name, {})
        made_by |= {each: earlier[each] for each in (_LIBRARIES,) if each in earlier}
    if name in summary.answered_by:
        made_by["answered_by"] = dict(summary.answered_by[name])
    return made_by


def _models(worker: Worker, fingerprints: Sequence[Mapping[str, JSON]]) -> dict[str, JSON]:
    """The models of a worker's answers by their ids, where they are others than the one that it asks now."""
    models = dict.fromkeys(name for each in fingerprints if isinstance(name := each.get("model"), str))
    return {} if [*models] in ([], [worker.fingerprint().get("model")]) else {"model": ", ".join(models)}


def describe_failure(source: Path | None, walk: Walk, inputs: tuple[str, ...]) -> Row:
    """The line of the errors file for a failed row.

    Args:
        source: the file that it came from; None where the step makes its rows itself.
        walk: of the row.
        inputs: columns that are shown.
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
