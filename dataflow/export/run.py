"""`export`: writes the rows of a cache directory as files that trainers read, in any number of formats at once."""

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
from dataflow.journal.picture_facts import KnownPictures

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
    """Write the accepted rows of a cache directory as files that trainers read.

    All rows are checked before the first byte is written. The export is made in `OUT.part` and renamed to `out` at the
    end, so `out` is complete or does not exist. The same rows give the same bytes. Nothing in the cache directory is
    locked or written; exported pictures are hard links to the cache's where both lie on one disk.

    `out` holds these files:

    - `README.md`: the card: contents, models, licences, cost, command lines; `load_dataset` reads its YAML.
    - `samples.jpg`: a few records, drawn.
    - `FORMAT/`: for each format a folder with its lists, settings or shards.
    - `[SPLIT/]inputs_{n}[_masked]/`: pictures and texts, for formats whose trainers read files.
    - `records.jsonl`: verdict, licence and maker of each record whose pictures are files.
    - `data/` and `croissant.json`: parquet tables and their metadata, for formats that write tables.
    - `pairs/` or `tries/`: the same tree and list, for formats made of these side outputs.

    Args:
        cache: the `cache_path` of a FileStorage, or a file of rows in it.
        to: names of formats, with commas between them; or a list of names and `Format` values.
        out: the folder to make; it must not exist, or be empty.
        step: number of the step whose rows are exported; None: the newest step with edits.
        where: a condition on columns, score, axes, inputs, width, height, such as
            "score >= 7 and edit_type == 'style'"; None: all rows.
        split: further splits and their shares, such as "test=2%"; all edits of a picture lie in one split. None: all
            rows are "train".
        mix: operations or groups and their parts, such as "add=30,style=20"; as many rows go out as these parts allow.
            None: all rows.
        language: languages of the instructions that go out, the preferred one first, such as "en,zh"; None: all.
        sizes: what becomes of a source whose shape differs from its result's: "refuse" stops the export, "skip" leaves
            the row out, "pad" puts the source on a white ground.
        skip: leave out the rows that a check refuses, instead of stopping.
        rejected: also export rows that a judge rejected.
        labels: a `labels.jsonl` of `dataflowmm view`, whose decisions by hand override the judge's; None: there are
            none.
        dry_run: check all rows and count them, and write nothing.
        progress: called with what is being done, and with the number of rows that are done.

    Returns:
        Counts, findings, and the command line that trains on each format.

    Raises:
        ConfigError: an argument is wrong; no row goes out; or a check refused rows: the message is their table.
        InputError: a line of the step's file or of `labels` is broken.
        RowError: a picture vanished while the export was written.
        NotStored: the disk is full or fails.
    """
    by_hand = read_by_hand(None if labels is None else Path(labels))
    choice = _choice(where, split, mix, language, sizes, rejected=rejected, by_hand=by_hand)
    formats = _formats(to)
    source = find_source(Path(cache), step)
    target = Path(out).expanduser().absolute()
    check_target(target)
    with ExitStack() as stack:
        if dry_run:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            folder = stack.enter_context(unfinished_export(target))
        work = folder / _WORK
        work.mkdir()
        plans, spaces = _plans(source, target, choice, formats, work=work, progress=progress)
        _check(plans, skip=skip)
        check_room(target.parent, sum(space.bytes for space in spaces))
        job = Job(source, target, folder, choice, formats, plans)
        if dry_run:
            return _exported(job, {form.name: _count(form, job.records(form)) for form in formats})
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
        tuple(code.strip() for code in language.split(",")) if language else (),
        read_sizes(sizes),
        rejected,
        by_hand,
    )


def _formats(to: str | Sequence[str | Format]) -> list[Format]:
    given = to.split(",") if isinstance(to, str) else to
    names = [name.strip() if isinstance(name, str) else name for name in given]
    found = [format_of(name) if isinstance(name, str) else checked_format(name) for name in names if name]
    if not found:
        raise ConfigError("no format: name one or several with --to")
    if len({form.name for form in found}) < len(found):
        raise ConfigError(f"--to names a format twice: {', '.join(each.name for each in found)}")
    return found


def _plans(
    source: Source, target: Path, choice: Choice, formats: Sequence[Format], *, work: Path, progress: Progress
) -> tuple[dict[RowsOf, Plan], list[Space]]:
    findings = Findings()
    plans: dict[RowsOf, Plan] = {}
    spaces: list[Space] = []
    with KnownPictures(source.cache_path).opened() as known:
        for of in dict.fromkeys(form.rows for form in formats):
            readers = [form for form in formats if form.rows == of]
            planner = Planner(source, of, choice, formats=readers, findings=findings)
            space = Space(target.parent, readers)
            plans[of] = planner.plan(known, work, space, progress)
            spaces.append(space)
    if choice.where is not None:
        choice.where.check_names()
    return plans, spaces


def _check(plans: Mapping[RowsOf, Plan], *, skip: bool) -> None:
    """Check that rows go out, and that no check refused one.

    Args:
        plans: of all rows.
        skip: refused rows are left out and are no error.

    Raises:
        ConfigError: rows were refused, no row goes out, or none goes to the split "train".
    """
    findings = next(iter(plans.values())).findings
    if (errors := findings.errors) and not skip:
        table = "\n".join(findings.table())
        raise ConfigError(
            f"{count_of(sum(errors.values()), 'row')} may not go out unchanged, so nothing was exported:\n{table}\n"
            f"mend such rows, or leave them out with --skip"
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
        ConfigError: the format takes no record of the split "train", so its trainer would have no data.
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
    done = _exported(job, counts, files, commands)
    done = replace(done, manifests_lost=pictures.manifests_lost)
    _describe(job, done, statistics.get("rows") or next(iter(statistics.values())), pictures, tables)
    return done


def _describe(job: Job, done: Exported, statistics: Statistics, pictures: Pictures, tables: Sequence[Table]) -> None:
    """Write the card, its picture of samples, and the Croissant metadata of the tables."""
    if statistics.records:
        (job.folder / SAMPLES).write_bytes(draw_samples(statistics.samples, pictures))
    tables = [table for table in tables if table.files]
    (job.folder / "README.md").write_text(write_card(job, done, statistics, tables), encoding="utf-8")
    if tables:
        described = describe_tables(job.target.name, tables, sorted(filter(None, statistics.licences)))
        (job.folder / "croissant.json").write_bytes(orjson.dumps(described, option=orjson.OPT_INDENT_2))


def _write_format(job: Job, form: Format, records: Records, pictures: Pictures, tables: list[Table]) -> str:
    """Write one format; returns its command line."""
    folder, tree = job.folder / form.name, job.tree(form.rows)
    folder.mkdir(exist_ok=True)
    output = Output(records, pictures, tree, job.folder, job.target, form.name, job.choice.languages, tables)
    command = form.write(output)
    if not any(folder.iterdir()):  # the format wrote all of its files elsewhere in the export, as `hf` does
        folder.rmdir()
    return command


def _build(
    job: Job, of: RowsOf, pictures: Pictures, statistics: Statistics, progress: Progress
) -> dict[str, Counter[Part]]:
    """Make the tree for all formats that read these rows from files; returns format → part → records."""
    formats = [form for form in job.formats if form.rows == of]
    counts: dict[str, Counter[Part]] = {form.name: Counter() for form in formats}
    builder = Builder(job.tree(of), job.folder, pictures)
    with ExitStack() as stack:
        listing = Listing(job.tree(of), job.folder, stack)
        for number, record in enumerate(job.plans[of].spool, start=1):
            if not number % EVERY:
                progress("linking pictures", number)
            edits, is_taken = record.apart(), False
            for form in formats:
                for edit in (record,) if form.takes.turns else edits:
                    if not form.refusal(edit):
                        counts[form.name][part_of(edit)] += 1
                        is_taken = True
            for edit in edits:
                if any(form.tree and not form.refusal(edit) for form in formats):
                    builder.add(edit)
                    listing.add(edit)
            if is_taken:
                statistics.add(record)
    return counts


def _exported(
    job: Job,
    counts: Mapping[str, int],
    files: Mapping[str, int] | None = None,
    commands: Mapping[str, str] | None = None,
) -> Exported:
    """The result of an export; without `files`, of a dry run."""
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
        tuple(main.findings.table(left_out=True)),
        sum(plan.not_judged for of, plan in plans.items() if of != "pairs"),  # each edit of a pair has its own verdict
        files or {},
        commands or {},
        dry_run=files is None,
    )
