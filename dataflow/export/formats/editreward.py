"""EditReward: pairs for a reward model, the better edit first, each with two scores from 1 to 4 and their sum.

The first score is of following the instruction, the second of how the edit looks; ours run from 0 to 10, and the worst
axis of each kind counts. A pair whose file is missing becomes the next one without a word, so paths are absolute.
"""

from collections.abc import Mapping

from dataflow.core.records import JSON
from dataflow.export.formats import Format, Output, Takes, write_json_list
from dataflow.export.records import Image, Record
from dataflow.judging.answers import SCALE

LOOKS = ("naturalness", "artefacts")
"""Axes of how an edit looks; all others are of what it was asked to do and to keep."""


def write(output: Output) -> str:
    """A JSON list for each split."""
    for split in output.records.splits:
        items = (_item(output, record) for record in output.records.split(split))
        write_json_list(output.folder / f"{split}.json", items)
    return (
        "deepspeed EditReward/train_qwen_vl_edit.py --config CONFIG.yaml"
        f"  # with train_json_list: [{output.final}/train.json]"
    )


def _item(output: Output, record: Record) -> dict[str, JSON]:
    files = output.tree.files(record)
    item: dict[str, JSON] = {
        "prompt": record.line,
        "path_src": output.named(files.images[0]),
        "path1": output.named(files.edited),
        "path2": output.named(files.losers[0]),
        "model1": _model(record.edited),
        "model2": _model(record.losers[0]),
        "tie_case": False,
    }
    for number, verdict in enumerate(record.verdict["verdicts"], start=1):
        item |= {f"model{number}_{name}_score": score for name, score in _scores(verdict["axes"]).items()}
    return item


def refuses(record: Record) -> str:
    """Pairs that lack a score: the trainer stops at the first."""
    verdicts = record.verdict.get("verdicts") or [{}]
    has_scores = all(_scores(each.get("axes") or {}) for each in verdicts)
    return "" if has_scores else "editreward needs an axis of how an edit looks and one of what it does"


def _scores(axes: Mapping[str, float]) -> dict[str, int]:
    """By EditReward's scale; none where an axis of one kind is missing."""
    asked = [number for name, number in axes.items() if name not in LOOKS]
    looks = [number for name, number in axes.items() if name in LOOKS]
    if not asked or not looks:
        return {}
    first, second = (1 + round(3 * min(kind) / SCALE) for kind in (asked, looks))
    return {"dim1": first, "dim2": second, "overall": first + second}


def _model(image: Image) -> str:
    return image.by.asked or image.by.answered


EDITREWARD = Format(
    "editreward",
    write,
    Takes(inputs=(1, 1)),
    rows="pairs",
    refuses=refuses,
    about="EditReward: pairs for a reward model",
)
