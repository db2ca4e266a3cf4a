"""`export`: the rows of a cache directory as files that trainers read, in any number of formats at once."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import orjson

from dataflow.core.words import count_of
from dataflow.errors import ConfigError
from dataflow.export.by_hand import ByHand, read_by_hand
from dataflow.export.cache import Source, find_source
from dataflow.export.card import SAMPLES, write_card
from dataflow.export.checks import read_sizes
from dataflow.export.croissant import describe_tables
from dataflow.export.findings import Findings
from dataflow.export.formats import Format, Output, checked_format, format_of
from dataflow.export.job import Exported, Job
from dataflow.export.listing import Listing
from dataflow.export.mix import read_parts
from dataflow.export.parquet import Table
from dataflow.export.pictures import Pictures
from dataflow.export.plan import EVERY, Choice, Plan, Planner, Progress
from dataflow.export.records import RowsOf
from dataflow.export.samples import draw_samples
from dataflow.export.select import TRAIN, read_where
from dataflow.export.space import Space, check_room
from dataflow.export.splits import read_split
from dataflow.export.spool import Part, Records, part_of
from dataflow.export.statistics import Statistics
from dataflow.export.tree import Builder
from dataflow.export.unfinished import check_target, unfinished_export
from dataflow.journal.known import KnownPictures

_WORK = ".work"


def export(
    cache: str | Path,
    to: str | Sequence[str | Format],
    out: str | Path,
    *,
    step: int | None = None,
    where: str | None = None,
    split: str | None = None,
    mix: str | None = None,
    language: str | None = None,
    sizes: str = "refuse",
    skip: bool = False,
    rejected: bool = False,
    labels: str | Path | None = None,
    dry_run: bool = False,
    progress: Progress = lambda what, done: None,
) -> Exported:
    """Write the accepted rows of a cache directory as trainers read them.

    Nothing in the cache is locked or written. All rows are checked before the first byte; `out` is there whole or not
    at all, and the same rows give the same bytes.

    Args:
        cache: the `cache_path` of a FileStorage, or a file of rows in it.
        to: names of formats, with commas between them; or a list of names and `Format` values.
        out: the folder to make.
        step: its number; None: the newest one with edits.
        where: a condition on columns, score, axes, inputs, width, height: "score >= 7 and edit_type == 'style'".
        split: "test=2%": all edits of a picture lie in one split.
        mix: "add=30,style=20": as many rows as these parts allow.
        language: "en,zh": of the instructions, the first one first.
        sizes: "refuse", "skip" or "pad" sources of another shape than their result.
        skip: leave out rows that a check refuses, by name, instead of stopping.
        rejected: let rows go out that a judge rejected.
        labels: a `labels.jsonl` of `dataflowmm view`: edits that were accepted or rejected by hand, whatever a judge
            said of them.
        dry_run: check only.
        progress: told what is being done, and how many rows of it are done.

    Raises:
        ConfigError: a wrong flag; no rows to export; a check refused rows, whose table is the message.
        NotStored: the disk does not take it.
    """
    by_hand = read_by_hand(None if labels is None else Path(labels))
    choice = _choice(where, split, mix, language, sizes, rejected=rejected, by_hand=by_hand)
    formats = _formats(to)
    source = find_source(Path(cache), step)
    target = Path(out).expanduser().absolute()
    check_target(target)
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory())
            if dry_run
            else stack.enter_context(unfinished_export(target))
        )
        work = folder / _WORK
        work.mkdir()
        plans, spaces = _plans(source, target, choice, formats, work=work, progress=progress)
        _check(plans, skip=skip)
        check_room(target.parent, sum(space.bytes for space in spaces))
        job = Job(source, target, folder, choice, formats, plans)
        if dry_run:
            return _told(job, {form.name: _count(form, job.records(form)) for form in formats})
        done = _write(job, Pictures(work / "baked"), progress)
        shutil.rmtree(work)
    return done


def _choice(
    where: str | None,
    split: str | None,
    mix: str | None,
    language: str | None,
    sizes: str,
    *,
    rejected: bool,
    by_hand: ByHand,
) -> Choice:
    return Choice(
        None if where is None else read_where(where),
        {} if split is None else read_split(split),
        {} if mix is None else read_parts(mix),
        tuple(each.strip() for each in language.split(",")) if language else (),
        read_sizes(sizes),
        rejected,
        by_hand,
    )


def _formats(to: str | Sequence[str | Format]) -> list[Format]:
    given = to.split(",") if isinstance(to, str) else to
    names = [each.strip() if isinstance(each, str) else each for each in given]
    found = [format_of(each) if isinstance(each, str) else checked_format(each) for each in names if each]
    if not found:
        raise ConfigError("no format: name one or several with --to")
    if len({each.name for each in found}) < len(found):
        raise ConfigError(f"--to names a format twice: {', '.join(each.name for each in found)}")
    return found


def _plans(
    source: Source, target: Path, choice: Choice, formats: Sequence[Format], *, work: Path, progress: Progress
) -> tuple[dict[RowsOf, Plan], list[Space]]:
    findings = Findings()
    plans: dict[RowsOf, Plan] = {}
    spaces: list[Space] = []
    with KnownPictures(source.cache_path).opened() as known:
        for of in dict.fromkeys(each.rows for each in formats):
            readers = [each for each in formats if each.rows == of]
            planner = Planner(source, of, choice, formats=readers, findings=findings)
            space = Space(target.parent, readers)
            plans[of] = planner.plan(known, work, space, progress)
            spaces.append(space)
    if choice.where is not None:
        choice.where.check_met()
    return plans, spaces


def _check(plans: Mapping[RowsOf, Plan], *, skip: bool) -> None:
    """Go on only if every row may go out that is to.

    Raises:
        ConfigError: rows were refused, or nothing is left.
    """
    findings = next(iter(plans.values())).findings
    if (errors := findings.errors) and not skip:
        table = "\n".join(findings.table())
        raise ConfigError(
            f"{count_of(sum(errors.values()), 'row')} may not go out as they are, so nothing was exported:\n{table}\n"
            f"mend them, or leave them out with --skip"
        )
    for of, plan in plans.items():
        if len(plan) and not plan.spool.counts.get(TRAIN):
            where = ", ".join(f"{count:,} {name}" for name, count in plan.spool.counts.items() if count)
            raise ConfigError(f"--split leaves nothing to train on ({of}: {where}), since all edits of a picture lie in"
                              f" one split: name a smaller share, or none")  # fmt: skip
        if not len(plan):
            reasons = [f"{count_of(count, 'row')} {why}" for why, count in plan.left_out.items()]
            reasons += [f"{count_of(count, 'row')}: {findings.says(name)}" for name, count in errors.items()]
            why = "; ".join(reasons) or "the file is empty"
            raise ConfigError(f"of {count_of(plan.rows, 'row')} ({of}) none goes out: {why}")


def _count(form: Format, records: Records) -> int:
    """How many records a format gets.

    Raises:
        ConfigError: it takes none of those to train on, so what trains with it would find nothing.
    """
    if not any(part.split == TRAIN for part in records.counts):
        raise ConfigError(
            f"{form.name} takes none of the records to train on: leave it out of --to, or choose other rows"
        )
    return len(records)


def _write(job: Job, pictures: Pictures, progress: Progress) -> Exported:
    counts: dict[str, int] = {}
    commands: dict[str, str] = {}
    tables: list[Table] = []
    statistics = {of: Statistics() for of in job.plans}
    parts = {of: _build(job, of, pictures, statistics[of], progress) for of in job.plans}
    for form in job.formats:
        records = job.records(form, parts[form.rows][form.name])
        counts[form.name] = _count(form, records)
        progress(f"writing {form.name}", len(records))
        commands[form.name] = _write_format(job, form, records, pictures, tables)
    files = {"linked": pictures.linked, "copied": pictures.copied, "baked": pictures.baked}
    done = _told(job, counts, files, commands)
    done = replace(done, manifests_lost=pictures.manifests_lost)
    _describe(job, done, statistics.get("rows") or next(iter(statistics.values())), pictures, tables)
    return done


def _describe(job: Job, done: Exported, statistics: Statistics, pictures: Pictures, tables: Sequence[Table]) -> None:
    """Write the card and what stands beside it."""
    if statistics.records:
        (job.folder / SAMPLES).write_bytes(draw_samples(statistics.samples, pictures))
    tables = [table for table in tables if table.files]
    (job.folder / "README.md").write_text(write_card(job, done, statistics, tables), encoding="utf-8")
    if tables:
        described = describe_tables(job.target.name, tables, sorted(filter(None, statistics.licences)))
        (job.folder / "croissant.json").write_bytes(orjson.dumps(described, option=orjson.OPT_INDENT_2))


def _write_format(job: Job, form: Format, records: Records, pictures: Pictures, tables: list[Table]) -> str:
    """Write one format; gives its command line."""
    folder, tree = job.folder / form.name, job.tree(form.rows)
    folder.mkdir(exist_ok=True)
    output = Output(records, pictures, tree, job.folder, job.target, form.name, job.choice.languages, tables)
    command = form.write(output)
    if not any(folder.iterdir()):  # all of it lies elsewhere in the export
        folder.rmdir()
    return command


def _build(
    job: Job, of: RowsOf, pictures: Pictures, statistics: Statistics, progress: Progress
) -> dict[str, Counter[Part]]:
    """The tree of all formats that read these rows from files, and how many records of each part each format takes."""
    formats = [form for form in job.formats if form.rows == of]
    counts: dict[str, Counter[Part]] = {form.name: Counter() for form in formats}
    builder = Builder(job.tree(of), job.folder, pictures)
    with ExitStack() as stack:
        listing = Listing(job.tree(of), job.folder, stack)
        for number, record in enumerate(job.plans[of].spool, start=1):
            if not number % EVERY:
                progress("linking pictures", number)
            apart, is_taken = record.apart(), False
            for form in formats:
                for each in (record,) if form.takes.turns else apart:
                    if not form.refusal(each):
                        counts[form.name][part_of(each)] += 1
                        is_taken = True
            for each in apart:
                if any(form.tree and not form.refusal(each) for form in formats):
                    builder.add(each)
                    listing.add(each)
            if is_taken:
                statistics.add(record)
    return counts


def _told(
    job: Job,
    counts: Mapping[str, int],
    files: Mapping[str, int] | None = None,
    commands: Mapping[str, str] | None = None,
) -> Exported:
    """What it came to; without files, of a dry run."""
    plans = job.plans
    main = plans.get("rows") or next(iter(plans.values()))
    left_out: dict[str, int] = {}
    for plan in plans.values():
        for why, count in plan.left_out.items():
            left_out[why] = left_out.get(why, 0) + count
    return Exported(
        job.target,
        job.source.path,
        sum(plan.rows for plan in plans.values()),
        counts,
        main.spool.counts,
        left_out,
        main.findings.counts,
        tuple(main.findings.table()),
        sum(plan.not_judged for of, plan in plans.items() if of != "pairs"),  # of which each edit has its verdict
        files or {},
        commands or {},
        dry_run=files is None,
    )
