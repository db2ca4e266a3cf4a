"""Shows the last step of a script: a table of right rows, how many a judge accepted, contact sheets, next commands."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from dataflow.cli.streams import say
from dataflow.core.records import Row
from dataflow.flow.summary import SURPLUS, Summary
from dataflow.judging.promise import precision_in_words
from dataflow.judging.tries import PAIRS, TRIES
from dataflow.judging.verdict import REJECTED, is_accepted
from dataflow.scripts.options import ShownColumns
from dataflow.utils.rowfiles import read_rows
from dataflow.utils.storage import Step
from dataflow.view.reasons import next_run

SHEETS = {
    REJECTED: "rejected rows, and why",
    PAIRS: "pairs of an accepted and a rejected edit",
    TRIES: "all that was made, with verdicts",
}
"""Side output that gets a contact sheet of its own → what the sheet shows, in words."""


def show(step: Step, shown: ShownColumns, summary: Summary) -> None:
    """Print what became of the rows, and draw contact sheets beside the step's file.

    Args:
        step: the last step, complete.
        shown: columns that the sheets show.
        summary: of the step.
    """
    from dataflow.demo.report import verdicts
    from dataflow.view.contact_sheet import write_contact_sheet

    rules = step.path_rules()

    def resolve(name: str) -> Path:
        return Path(rules.resolve(name))

    rejected = step.side(REJECTED) if REJECTED in summary.sides else None
    rows = chain(_rows(step.target), _rows(rejected))
    if table := verdicts(rows, conversation_key=shown.conversation, output_key=shown.output, resolve=resolve):
        say(f"\n{table}\n")
    surplus = step.side(SURPLUS) if SURPLUS in summary.sides else None
    accepted = chain(_rows(step.target), _rows(surplus))
    for line in yield_lines(summary, [row.get(shown.verdict) for row in accepted]):
        say(line)
    failures = {row["row"]: (row["class"], row["reason"]) for row in _rows(step.errors)}
    reasons = {index: reason for index, (_, reason) in failures.items()}
    folder = Path(step.cache_path).expanduser()
    draw = partial(
        write_contact_sheet,
        image_key=shown.images,
        conversation_key=shown.conversation,
        output_key=shown.output,
        verdict_key=shown.verdict,
        resolve=resolve,
    )
    sheet = draw(_rows(step.target), folder / "contact_sheet.png", reasons=reasons)
    others = {name: draw(_rows(step.side(name)), folder / f"contact_sheet.{name}.png") for name in _sides(summary)}
    if reasons:
        say(f"failed rows and reasons: {step.errors}")
        say("\n".join(next_run({kind for kind, _ in failures.values()}, "--retry_rejected")))
    if sheet is not None:
        say(f"{'before, ' if shown.images else ''}instruction, after: {sheet}")
    for name, drawn in others.items():
        if drawn is not None:
            say(f"{SHEETS[name]}: {drawn}")
    _say_what_is_next(step, shown, summary)


def _say_what_is_next(step: Step, shown: ShownColumns, summary: Summary) -> None:
    """Print the next commands: a merge for a shard, else the page and an export."""
    if step.options.shard is not None:
        say(f"when all {step.options.shard.count} shards are finished: dataflowmm merge {step.root}")
    elif shown.images:
        say(f"each edit in the browser: dataflowmm view {step.cache_path}")
        if summary.rows > summary.failed:
            say(f"to train on them: dataflowmm export {step.cache_path} --to ai-toolkit --out exported")


def yield_lines(summary: Summary, verdicts: Sequence[object]) -> list[str]:
    """Lines that say how many rows a judge accepted at the first try and in the end; empty where no judge is.

    Args:
        summary: of the step.
        verdicts: of the accepted rows, surplus ones included.
    """
    if (rate := summary.pass_rate) is None:
        return []
    accepted = summary.accepted + summary.sides.get(SURPLUS, 0)
    judged = accepted + summary.sides[REJECTED]
    first = sum(map(_accepts_first_try, verdicts))
    lines = [
        f"accepted at the first try: {first:,} of {judged:,} rows, {first / judged:.0%}",
        f"accepted in the end: {accepted:,} of {judged:,} rows, {rate.share:.0%}"
        f" (95% interval {rate.low:.0%} to {rate.high:.0%})",
    ]
    if PAIRS in summary.sides:
        lines.append(f"pairs of an accepted and a rejected edit of one row: {summary.sides[PAIRS]:,}")
    unknown = "" if summary.judged.get("promise") else " (how many accepted edits are good, only labels tell)"
    return [*lines, f"precision: {precision_in_words(summary.judged)}{unknown}\n"]


def _accepts_first_try(verdict: object) -> bool:
    """Whether a verdict accepts an edit or drawing of the first try."""
    found = verdict if isinstance(verdict, list) else [verdict]
    return is_accepted(verdict) and all(isinstance(each, Mapping) and each.get("tries") == 1 for each in found)


def _sides(summary: Summary) -> list[str]:
    return [name for name in SHEETS if summary.sides.get(name)]


def _rows(path: Path | None) -> Iterator[Row]:
    return (row for _, row in read_rows(path)) if path is not None and path.exists() else iter(())
