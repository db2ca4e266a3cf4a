"""Writes a cache directory's status as lines of text, for a terminal or a log."""

import textwrap
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dataflow.core.notebook import same_again
from dataflow.core.records import NANO
from dataflow.core.words import count_of, cut, grouped, show_amount, three_digits
from dataflow.view.reasons import next_run
from dataflow.view.status import Status, StepStatus, Verdicts

_REASONS = 3  # reasons that are shown for each step; the errors file has all of them
_GAP = "  "
_GO_ON = "To go on, run {} again: what was answered is kept, and neither asked nor paid again."
_KEPT = "What was answered is kept, and neither asked nor paid again."
_REFUSED_AGAIN = "retry_rejected=True or --retry_rejected"


def describe(status: Status, width: int) -> list[str]:
    """The whole status as lines of at most `width` characters; a line may be longer only for the name of a file."""
    head = f"{status.cache_path}: {_state(status)}"
    lines = [head, ""] if len(head) <= width else [f"{status.cache_path}:", *_wrap(_state(status), width), ""]
    lines += [*_wrap(status.shards, width), ""] if status.shards else []
    prefixes = dict.fromkeys(step.prefix for step in status.steps)
    for prefix in prefixes:
        steps = [step for step in status.steps if step.prefix == prefix]
        if len(prefixes) > 1:
            lines.append(f"{prefix}_step*")
        heads, *table = _table(steps, status.currency, width)
        lines.append(heads)
        for step, line in zip(steps, table, strict=True):
            lines += [line, *(f"      {detail}" for detail in _details(step, width - 6, status.currency))]
            if step.errors is not None:
                lines.append(f"      each of them: {Path(status.cache_path) / step.errors}")
        lines.append("")
    if not status.steps:
        lines += ["no step has been noted here yet", ""]
    return lines + _closing(status, width)


def describe_briefly(status: Status) -> list[str]:
    """A line for each running step, for a log; one line for a run that is between two steps."""
    lines = []
    for step in status.steps:
        if step.state == "running":
            rows = "row" if (step.rows or step.done) == 1 else "rows"
            parts = [f"{_rows_done(step)} {rows}", f"{step.failed:,} failed", *_speed(step)]
            if status.currency:
                parts.append(_amount(step.cost, status.currency))
            lines.append(f"{time.strftime('%H:%M:%S')} step {step.number} {step.operator}: {', '.join(parts)}")
    if not lines and status.state in ("running", "between steps"):
        lines.append(f"{time.strftime('%H:%M:%S')} {_state(status)}")
    return lines


def _state(status: Status) -> str:
    process = f"process {status.pid}" if status.here else f"process {status.pid} of another machine or container"
    match status.state:
        case "running":
            return f"running ({process})"
        case "between steps":
            return f"between two steps, or just done ({process})"
        case "killed":
            since = f"; it was last heard of at {_clock(status.at)}" if status.at else ""
            return f"not running, {process} was killed or its machine went down{since}"
    return "not running" + (f", last at work at {_clock(status.at)}" if status.at else "")


def _table(steps: Sequence[StepStatus], currency: str, width: int) -> list[str]:
    """A line of heads and a line for each step; a long name of an operator is cut to the width."""
    rows = [("step", "operator", "state", "rows done", "failed", "cost" if currency else "")]
    for step in steps:
        cost = _amount(step.cost, currency) if currency else ""
        rows.append((str(step.number), step.operator or "-", step.state, _rows_done(step), f"{step.failed:,}", cost))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    room = width - sum(widths) + widths[1] - len(_GAP) * (5 if currency else 4)
    widths[1] = min(widths[1], max(8, room))
    lines = []
    for number, operator, state, done, failed, cost in rows:
        cells = [f"{number:>{widths[0]}}", f"{cut(operator, widths[1]):<{widths[1]}}", f"{state:<{widths[2]}}"]
        cells += [f"{done:>{widths[3]}}", f"{failed:>{widths[4]}}", f"{cost:>{widths[5]}}"]
        lines.append(_GAP.join(cells).rstrip())
    return lines


def _details(step: StepStatus, width: int, currency: str) -> list[str]:
    lines = [] if step.verdicts is None else _wrap(_verdicts(step.verdicts, currency), width)
    lines += _wrap(", ".join(step.of_rows), width)
    if step.state == "running":
        parts = _speed(step)
        if step.rows and step.done is not None:
            parts.insert(0, f"{100 * step.done // step.rows} %")
        lines += _wrap(f"{', '.join(parts)}, at {_clock(step.at)}", width)
        lines += _wrap(step.pause, width)
        lines += _last_retry(step, width)
    elif step.at or step.why:
        lines += _wrap(step.why or "the process is gone", width)
        lines += _last_retry(step, width)
        lines += [f"figures of {_clock(step.at)}"] if step.at else []
    if step.written is not None and step.written != step.done:
        lines.append(f"{count_of(step.written, 'row')} in its file, {step.failed:,} failed")
    reasons = Counter[str]()
    for failure in step.failures:
        kind = f"{failure.kind}: " if failure.kind not in ("row", "") else ""
        reasons[f"{kind}{failure.reason}"] += failure.rows
    return [*lines, *(cut(line, width) for line in grouped(reasons, _REASONS))]


def _verdicts(verdicts: Verdicts, currency: str) -> str:
    more = f" and {verdicts.surplus:,} more than wanted" if verdicts.surplus else ""
    text = f"{verdicts.accepted:,} accepted{more}, {verdicts.rejected:,} rejected, {verdicts.unjudged:,} unjudged"
    if verdicts.share is not None:
        text += f": {verdicts.share:.0%} accepted ({verdicts.low:.0%} to {verdicts.high:.0%})"
        text += f", precision {verdicts.precision}"
    if verdicts.cost is not None and currency:
        text += f", {_amount(verdicts.cost, currency)} per accepted row"
    return text


def _last_retry(step: StepStatus, width: int) -> list[str]:
    return [cut(f"retried last: {step.retry_reason}", width)] if step.retry_reason else []


def _speed(step: StepStatus) -> list[str]:
    parts = [f"{step.in_flight:,} in flight"]
    if step.rows_per_second:
        parts.append(_rate(step.rows_per_second))
    if step.seconds_left:
        parts.append(f"{_duration(step.seconds_left)} left")
    if step.retried:
        parts.append(f"{step.retried:,} retried")
    return parts


def _closing(status: Status, width: int) -> list[str]:
    lines = []
    if status.currency:
        line = f"{_amount(status.spent, status.currency)} spent in all"
        if status.estimated:
            line += f", {_amount(status.estimated, status.currency)} of it estimated, since replies counted no tokens"
        if status.unsure:
            what = "in flight" if status.state == "running" else "cut off"
            line += f", up to {_amount(status.unsure, status.currency)} more {what} or of unknown cost"
        lines += _wrap(line, width)
    if status.unpriced:
        of = count_of(status.unpriced, "request")
        lines += _wrap(f"the cost of {of} is not known: the model has no price; give one with prices=", width)
    if status.cut_off:
        requests = count_of(status.cut_off, "request")
        lines += _wrap(f"{requests} cut off without an answer: perhaps paid, if an API was asked", width)
    if status.state in ("killed", "not running"):
        if stopped := [step for step in status.steps if step.state == "stopped"]:
            # A step that says why it stopped, such as by a limit on the cost, also says how to go on.
            says_how = all(step.why for step in stopped)
            lines += _wrap(_KEPT if says_how else _GO_ON.format(same_again()), width)
        else:
            kinds = {failure.kind for step in status.steps for failure in step.failures}
            lines += _wrap(" ".join(next_run(kinds, _REFUSED_AGAIN)), width)
    return lines


def _rows_done(step: StepStatus) -> str:
    if step.done is None:
        return "?"
    return f"{step.done:,}" if step.rows is None else f"{step.done:,}/{step.rows:,}"


def _amount(amount: float, currency: str) -> str:
    return show_amount(round(amount * NANO), currency)


def _rate(per_second: float) -> str:
    if per_second >= 1:
        return f"{three_digits(per_second)} rows/s"
    return f"{60 * per_second:.3g} rows/min" if per_second >= 1 / 60 else f"{3600 * per_second:.3g} rows/h"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"


def _clock(at: float) -> str:
    """The local time of a moment, with its date unless that is today."""
    then = time.localtime(at)
    same = then[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if same else "%Y-%m-%d %H:%M", then)


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(20, width), break_long_words=False, break_on_hyphens=False)
