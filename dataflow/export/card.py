"""Writes the card of an export, `README.md`: what is in it, where it comes from, and what is not known of it.

The card begins with YAML, by which `load_dataset` and the hub find the tables. It names no time and no path of this
machine, so the same rows give the same card.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import yaml

from dataflow.core.records import JSON, NANO, Row
from dataflow.core.words import count_of, show_amount
from dataflow.export.calibrated import promise_of
from dataflow.export.columns import yaml_of
from dataflow.export.job import Exported, Job
from dataflow.export.parquet import Table
from dataflow.export.statistics import Model, Statistics
from dataflow.export.survival import Survival, survival_of
from dataflow.judging.promise import THRESHOLDS

SAMPLES = "samples.jpg"
_ON_THE_HUB = {"apache-2.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-sa-4.0", "cc0-1.0", "mit", "openrail"}
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
_MOST = 20  # entries of a list; further ones are counted


def write_card(job: Job, done: Exported, statistics: Statistics, tables: Sequence[Table]) -> str:
    """The text of `README.md`.

    Args:
        job: the export's settings and plans.
        done: the export's result.
        statistics: counts over the records that went out.
        tables: the tables that `load_dataset` can open.
    """
    front = yaml.safe_dump(_front(job, statistics, tables), sort_keys=False, allow_unicode=True, width=10_000)
    sections = [
        f"# {job.target.name}",
        *_about(job, done, statistics),
        *_contents(done, statistics),
        *_survival(job, statistics),
        *_judging(job, statistics),
        *_makers(statistics),
        *_licences(statistics),
        *_cost(job, statistics),
        *_left_out(done),
    ]
    return f"---\n{front}---\n\n" + "\n\n".join(sections) + "\n"


def _front(job: Job, statistics: Statistics, tables: Sequence[Table]) -> dict[str, JSON]:
    (first, _), *others = statistics.licences.most_common() or [("", 0)]
    licence = first.lower().replace(" ", "-")
    found: dict[str, JSON] = {"pretty_name": job.target.name}
    if not others and licence in _ON_THE_HUB:
        found["license"] = licence
    found["language"] = list[JSON](sorted(statistics.languages))
    found["task_categories"] = ["image-to-image"]
    found["tags"] = ["image-editing", "synthetic"]
    found["size_categories"] = [next((name for most, name in _SIZES if statistics.records < most), "n>10M")]
    found["configs"] = [_config(table) for table in tables]
    found["dataset_info"] = [_info(table) for table in tables]
    return {name: value for name, value in found.items() if value}


def _config(table: Table) -> JSON:
    data_files: list[JSON] = [{"split": split, "path": f"{table.folder}/{split}-*"} for split in table.files]
    return {"config_name": table.name, "data_files": data_files}


def _info(table: Table) -> JSON:
    splits: list[JSON] = [
        {"name": split, "num_bytes": sum(file.size for file in files), "num_examples": sum(file.rows for file in files)}
        for split, files in table.files.items()
    ]
    size = sum(file.size for files in table.files.values() for file in files)
    features: JSON = yaml_of(table.columns)
    return {
        "config_name": table.name,
        "features": features,
        "splits": splits,
        "download_size": size,
        "dataset_size": size,
    }


def _about(job: Job, done: Exported, statistics: Statistics) -> Iterator[str]:
    yield (
        f"{count_of(statistics.records, 'edit')} of pictures, each with its instruction, made by machines with"
        f" dataflow-mm and exported from the step `{job.source.name}`."
    )
    if statistics.records:
        yield f"![some of them, inputs and result]({SAMPLES})"
    commands = [
        f"# {name}: {count_of(done.formats.get(name, 0), 'record')}\n{command}"
        for name, command in done.commands.items()
    ]
    yield "What trains on it, with the paths that it had where it was made:"
    hidden = [command.replace(str(job.target), job.target.name) for command in commands]
    yield "```bash\n" + "\n".join(hidden) + "\n```"


def _contents(done: Exported, statistics: Statistics) -> Iterator[str]:
    yield "## What is in it"
    lines = [f"- records of each split: {_counts(done.splits)}"]
    inputs = {f"{number}": count for number, count in sorted(statistics.inputs.items())}
    lines.append(f"- records by the number of input pictures: {_counts(inputs)}")
    shapes = {f"{width} x {height}": count for (width, height), count in statistics.shapes.most_common(_MOST)}
    lines.append(f"- records by the size of the result in pixels: {_counts(shapes)}{_further(statistics.shapes)}")
    lines.append(f"- captions by language: {_counts(dict(sorted(statistics.languages.items())))}")
    if statistics.conversations:
        lines.append(f"- conversations of several turns: {statistics.conversations:,}")
    if statistics.masks:
        lines.append(f"- with a mask, white where the picture may change: {statistics.masks:,}")
    yield "\n".join(lines)


def _survival(job: Job, statistics: Statistics) -> Iterator[str]:
    exported = Counter({name or group: 0 for group, name in statistics.operations})
    for (group, name), count in statistics.operations.items():
        exported[name or group] += count
    rows = []
    for name, survival in survival_of(job).items():
        figures = _figures(survival.rows, survival.accepted, survival.rejected, survival.failed)
        rows.append([_named(name), *figures, _share(survival), *_figures(exported[name])])
    yield "## Survival of each operation"
    yield "Rows of the step and of its side output of rejected rows; `accepted` is what no judge rejected."
    yield from _table(["operation", "rows", "accepted", "rejected", "failed", "accepted share", "exported"], rows)


def _share(survival: Survival) -> str:
    judged = survival.accepted + survival.rejected
    return f"{survival.accepted / judged:.0%}" if judged else ""


def _judging(job: Job, statistics: Statistics) -> Iterator[str]:
    yield "## Judge"
    unjudged = statistics.records - statistics.judged
    if not statistics.judged:
        yield "**Not judged**: no verdict stands with any of these records."
        return
    if unjudged:
        yield f"**Not judged**: no verdict stands with {unjudged:,} of {count_of(statistics.records, 'record')}."
    names = _asked_of("judge", job.source.metas)
    lines = [f"- model: {', '.join(names) or 'not known'}"]
    for (judge, rubric), count in statistics.judges.most_common():
        known = _precision(job, statistics, judge, rubric)
        lines.append(f"- judge `{judge}`, rubric `{rubric}`: {count_of(count, 'record')}; {known}")
    if statistics.scored:
        mean = statistics.scores / statistics.scored
        lines.append(f"- mean score: {mean:.2f} of 10 over {count_of(statistics.scored, 'record')}")
    yield "\n".join(lines)


def _precision(job: Job, statistics: Statistics, judge: str, rubric: str) -> str:
    promise = promise_of(job.source.cache_path, job.source.metas, judge, rubric)
    if promise is None:
        return f"not calibrated: no {THRESHOLDS} of it in the cache directory says how right it is"
    return f"calibrated: {promise}; reached by {statistics.reaching(judge, rubric, promise.at):,} of these records"


def _asked_of(worker: str, metas: Mapping[str, Row]) -> list[str]:
    asked = [meta.get("made_by", {}).get(worker, {}) for meta in metas.values()]
    models = {str(made_by["model"]) for made_by in asked if made_by.get("model")}
    # The path of a folder on this machine may hold private names.
    return sorted({name.rpartition("/")[2] if name.startswith("/") else name for name in models})


def _makers(statistics: Statistics) -> Iterator[str]:
    yield "## Models that drew"
    if not statistics.models:
        yield "Not known: no journal of the cache directory has an answer with these pictures."
        return
    rows = [[*map(_named, model), f"{count:,}"] for model, count in statistics.models.most_common()]
    yield "`kind` is IPTC's digital source type. A picture of two records counts twice."
    yield from _table([*Model._fields, "pictures"], rows)


def _licences(statistics: Statistics) -> Iterator[str]:
    yield "## Licences of the input pictures"
    yield from _table(
        ["licence", "records"],
        [[name or "**not named**", f"{count:,}"] for name, count in statistics.licences.most_common()],
    )
    if statistics.credits:
        names = [_cell(name) for name, _ in sorted(statistics.credits.items())[:_MOST]]
        yield f"Credits, which each row of a table has too: {'; '.join(names)}{_further(statistics.credits)}."


def _cost(job: Job, statistics: Statistics) -> Iterator[str]:
    yield "## Cost"
    meta = job.source.metas.get(job.source.name, {})
    cost: Row = meta.get("cost", {})
    if not cost.get("currency"):
        yield "Not known: nothing in the cache directory was charged for, or no meta file names a cost."
        return
    spent, unsure = float(cost["directory"]), float(cost.get("directory_unsure") or 0)
    per_record = f", {spent / statistics.records:.4g} {cost['currency']} a record" if statistics.records else ""
    most = show_amount(round(unsure * NANO), cost["currency"], up=True)
    more = f"; up to {most} more by requests of unknown cost" if unsure else ""
    prices = f" at prices of {cost['prices_of']}" if cost.get("prices_of") else ""
    whole = show_amount(round(spent * NANO), cost["currency"])
    yield f"{whole} for all that was asked in the cache directory{prices}{per_record}{more}."


def _left_out(done: Exported) -> Iterator[str]:
    yield "## What was left out, and what was done to pictures"
    lines = [f"- {count_of(count, 'row')} {why}" for why, count in done.left_out.items()]
    lines += [f"- {line.strip()}" for line in done.table if line.startswith(("error: ", "note: "))]
    lines.append(f"- files of the trees: {_counts(done.files) or 'none'}")
    lines.append(
        f"- C2PA manifests that were lost since a picture had to be made anew: {done.manifests_lost:,};"
        " pictures that went out as they are keep theirs"
    )
    yield "\n".join(lines)


def _figures(*counts: int) -> list[str]:
    return [f"{count:,}" for count in counts]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items())


def _further(counts: Collection[object]) -> str:
    return f" and {len(counts) - _MOST:,} more" if len(counts) > _MOST else ""


def _named(name: str) -> str:
    return _cell(name) or "not known"


def _cell(text: str) -> str:
    """Text of a row or a reply as one line without Markdown, for the cell of a table or a sentence."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        shown = [names, ["---"] * len(names), *rows[: 5 * _MOST]]
        more = f"\n\n... and {len(rows) - 5 * _MOST:,} more." if len(rows) > 5 * _MOST else ""
        yield "\n".join(f"| {' | '.join(line)} |" for line in shown) + more
