"""EditReward: pairs for a reward model, the better edit first; each edit has two scores from 1 to 4 and their sum.

The first score says how well the edit follows the instruction, the second how it looks. Our axes run from 0 to 10; the
lowest axis of each kind gives the score. The trainer takes the next pair in place of one whose file is missing, without
a word, so paths are absolute.
"""

from collections.abc import Mapping

from dataflow.core.records import JSON
from dataflow.export.formats import Format, Output, Takes, write_json_list
from dataflow.export.records import Image, Record
from dataflow.judging.answers import SCALE

APPEARANCE_AXES = ("naturalness", "artefacts")
"""Axes that say how an edit looks; all other axes say whether it does what was asked, and no more."""


def write(output: Output) -> str:
    """Write `{split}.json`, a list of pairs, for each split."""
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
    """Refuses a pair that lacks a score, since the trainer stops at the first such pair."""
    verdicts = record.verdict.get("verdicts") or [{}]
    has_scores = all(_scores(verdict.get("axes") or {}) for verdict in verdicts)
    return "" if has_scores else "editreward needs an axis of how an edit looks and one of what it does"


def _scores(axes: Mapping[str, float]) -> dict[str, int]:
    """The scores by EditReward's scale, 1 to 4; empty if the edit has no axis of one of the two kinds."""
    asked = [number for name, number in axes.items() if name not in APPEARANCE_AXES]
    looks = [number for name, number in axes.items() if name in APPEARANCE_AXES]
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
