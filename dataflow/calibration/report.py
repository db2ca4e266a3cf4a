"""Puts a calibration or a comparison into lines that fit a terminal."""

import math
from collections import Counter
from collections.abc import Iterator

from dataflow.calibration.calibrate import Calibration
from dataflow.calibration.compare import Comparison, Judged
from dataflow.calibration.labels import NO, UNSURE, YES
from dataflow.calibration.statistics import Figure
from dataflow.calibration.thresholds import Search, Tested
from dataflow.core.intervals import Interval
from dataflow.core.words import count_of, fill, percent, three_digits

_UNIFORM = "a sample of all edits alike (dataflowmm view --label --uniform)"
_NAME = 34  # columns of an operation's name


def describe_calibration(found: Calibration) -> list[str]:
    """The report on a calibrated judge, in lines of at most 80 columns."""
    return [
        *_label_lines(found),
        "",
        *_promise_lines(found),
        "",
        *_threshold_lines(found.search),
        "",
        *_figure_lines(found),
        *_group_lines(found),
    ]


def _label_lines(found: Calibration) -> Iterator[str]:
    joined = found.joined
    counts = Counter(each.label.label for each in joined.labelled)
    in_words = ", ".join(f"{counts[name]} {name}" for name in (YES, NO, UNSURE) if counts[name])
    yield f"verdicts: {joined.path}"
    yield f"  judge {joined.judge}, rubric {joined.rubric}"
    parts = [f"{count_of(len(joined.labelled), 'label')}: {in_words}"]
    parts += [f"{joined.unknown} of pictures that are not here"] if joined.unknown else []
    undrawn = sum(each.label.sample is None for each in joined.labelled)
    parts += [f"{undrawn} of edits that nobody drew, which promise nothing"] if undrawn else []
    yield from fill([*parts, *filter(None, [joined.left_out])], indent="")


def _promise_lines(found: Calibration) -> list[str]:
    promise, wanted = found.promise, percent(found.precision)
    if promise is not None:
        reached = f"{found.joined.share_at(promise.at):.0%} of the edits reach it"
        counted = f"{promise.accepted} labelled there, {promise.bad} of them bad"
        lines = [f"Threshold {promise.at:g}: at least {wanted} of what is accepted is good."]
        broken = f"at most {percent(1 - found.confidence)} of such samples come to a promise that is broken"
        lines += fill([counted, reached, broken])
    else:
        lines = [f"No threshold can be promised at which {wanted} of what is accepted is good."]
        lines += [*fill([_lower_promise(found)]), *_what_is_missing(found)]
    if found.search.floor > 0 and not math.isinf(found.search.floor):
        lines += fill([f"Below {found.search.floor:g} these labels promise nothing: that needs {_UNIFORM}"])
    return lines


def _lower_promise(found: Calibration) -> str:
    if found.carried is None:
        return "These labels carry no promise of half or more"
    precision, there = found.carried
    counted = f"at {there.at:g} or above {there.bad} of {there.accepted} labelled edits are bad"
    return f"These labels carry {percent(precision)}: {counted}. Promise that with --precision {precision:g}"


def _what_is_missing(found: Calibration) -> list[str]:
    failed = found.search.failed
    if failed is None or not failed.accepted:
        return fill([f"No label speaks for what this judge accepts: label {_UNIFORM}", "or one that was drawn by it"])
    good = 1 - failed.bad / failed.accepted
    if good < found.precision:
        sentence = f"At {failed.at:g} or above {good:.0%} of {failed.accepted} labelled edits are good"
        return fill(
            [f"{sentence}: further labels help only if they are better; else promise less, or ask a better judge"]
        )
    more = found.needed(failed.accepted, failed.bad)
    sentence = f"Label {more} more edits at {failed.at:g} or above: if all of them are good, it can be given"
    count = math.ceil(len(found.joined.labelled) * (failed.accepted + more) / failed.accepted)
    return fill([sentence, f"about as many come with dataflowmm view --label {count}, which goes on where you were"])


def _threshold_lines(search: Search) -> list[str]:
    if not search.tested:
        return []
    lines = ["at or above     edits  labelled   good   chance if it were broken"]
    return [*lines, *map(_tested_line, search.tested)]


def _tested_line(tested: Tested) -> str:
    good = f"{1 - tested.bad / tested.accepted:.0%}" if tested.accepted else "-"
    chance = "" if tested.chance is None else f"{tested.chance:.3f} {'holds' if tested.holds else 'does not hold'}"
    return f"{tested.at:11g}  {tested.share:8.0%}  {tested.accepted:8}  {good:>5}   {chance}".rstrip()


def _figure_lines(found: Calibration) -> Iterator[str]:
    agreement, threshold = found.agreement, f"{found.at:g}"
    accepted = found.joined.share_at(found.at)
    yield f"{f'accepted at {threshold}':34} {accepted:.0%} of {count_of(found.joined.lowest.total(), 'edit')}"
    yield f"{'good among the accepted':34} {_share(found.precise)}"
    yield f"{'accepted among the good':34} {_figure(agreement.recall, percent=True)}"
    yield f"{'good, corrected for its errors':34} {_share(agreement.good)}"
    yield f"{'agreement beyond chance (kappa)':34} {_figure(agreement.kappa)}"
    for name, figure in agreement.axes.items():
        yield f"{f'ranks: {name}'[:_NAME]:34} {_figure(figure)}"
    yield f"{'you agree with yourself':34} {_share(agreement.oneself, none='nothing was labelled twice')}"


def _group_lines(found: Calibration) -> Iterator[str]:
    named = [group for group in found.groups if group.name]
    if named:
        yield ""
        yield f"{f'good among the accepted at {found.at:g}':34} labelled; intervals at 95%"
    for group in named:
        yield f"  {group.name[: _NAME - 2]:32} {group.accepted:4}  {_share(group.interval)}"
    for group in named:
        if group.more and group.good >= found.precision * group.accepted:
            yield f"label {group.more} more accepted `{group.name}` edits, all good, for a promise of their own"


def describe_comparison(found: Comparison, *, precision: float) -> list[str]:
    """The report on two judges side by side, and the answer to which of them to use.

    Args:
        found: the comparison.
        precision: the share of good edits that each judge was to promise.
    """
    first, second = found.judges
    lines = [f"A: {first.joined.path}", f"B: {second.joined.path}"]
    lines += [f"{count_of(found.labels, 'label')} of edits that both judged"]
    lines += ["", f"{'':26} {'A':26} {'B'}"]
    rows = {
        f"decides as you, at {found.at:g}": [_figure(each.agrees, percent=True) for each in found.judges],
        "kappa": [_figure(each.kappa) for each in found.judges],
        "ranks as you": [_figure(each.ranks) for each in found.judges],
        "edits with numbers": [f"{each.joined.lowest.total():,}" for each in found.judges],
        f"promises {percent(precision)}": [_promise(each) for each in found.judges],
        "a verdict costs": [_cost(each) for each in found.judges],
    }
    lines += [f"{name:26} {one:26} {other}" for name, (one, other) in rows.items()]
    lines += ["", *fill([_answer(found)], indent="")]
    if any(math.isinf(each.search.floor) for each in found.judges):
        lines += fill([f"* its labels were not drawn by it, and promise nothing; {_UNIFORM} serves both"], indent="")
    return lines


def _promise(judged: Judged) -> str:
    search = judged.search
    if math.isinf(search.floor):
        return "*"
    return f"at {search.found.at:g}, keeps {search.found.share:.0%}" if search.found else "no threshold"


def _cost(judged: Judged) -> str:
    return "not known" if judged.cost is None else f"{three_digits(judged.cost)} {judged.currency}"


def _answer(found: Comparison) -> str:
    first, second = found.judges
    dearer = _price_ratio(first, second)
    ahead = found.agrees
    if math.isnan(ahead.low) or ahead.low <= 0 <= ahead.high:
        sentence = f"These labels do not tell them apart (B less A {_figure(ahead, percent=True)})"
        return f"{sentence}: the cheaper one will do, {dearer}" if dearer else f"{sentence}: label more"
    better = "B" if ahead.value > 0 else "A"
    low, high = sorted((abs(ahead.low), abs(ahead.high)))
    by = f"{abs(ahead.value):.0%} ({low:.0%} to {high:.0%})"
    return f"{better} decides as you in {by} more of the edits{f', {dearer}' if dearer else ''}"


def _price_ratio(first: Judged, second: Judged) -> str:
    if not first.cost or not second.cost:
        return ""
    times = max(first.cost, second.cost) / min(first.cost, second.cost)
    return f"{'B' if second.cost > first.cost else 'A'} costs {three_digits(times)} times as much"


def _share(interval: Interval | None, *, none: str = "not labelled") -> str:
    return f"{interval.share:.0%} ({interval.low:.0%} to {interval.high:.0%})" if interval else none


def _figure(figure: Figure, *, percent: bool = False) -> str:
    if math.isnan(figure.value):
        return "cannot be told"
    value, low, high = (f"{each:.0%}" if percent else f"{each:.2f}" for each in figure)
    return value if math.isnan(figure.low) else f"{value} ({low} to {high})"
