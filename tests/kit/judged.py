"""A cache directory with rows as an accept loop leaves them, without a run."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from dataflow.view.catalogue import Catalogue
from dataflow.view.query import Query

STEP = "dataflow_cache_step_step1"
HELD = re.compile(r'<script type="application/json" id="held">(.*?)</script>', re.DOTALL)
"""What a page that is one file shows, as JSON."""
AXES = ("following", "preservation", "naturalness", "artefacts")


def verdict_of(score: float, *, accepted: bool | None = None, **more: object) -> dict[str, object]:
    """A verdict whose axes all have one number."""
    is_good = score >= 7 if accepted is None else accepted
    axes = dict.fromkeys(AXES, score)
    return {"accepted": is_good, "score": score, "axes": axes, "critique": f"worth {score:g}", **more}


def row_of(folder: Path, number: int, edits: int = 1, **more: object) -> dict[str, object]:
    """A row with pictures of its own, which are drawn where they are missing."""
    source = folder / "pictures" / f"source{number}.png"
    made = [folder / "pictures" / f"edit{number}_{k}.png" for k in range(edits)]
    for k, path in enumerate((source, *made)):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 48), ((37 * number) % 256, (90 * k) % 256, 120)).save(path)
    return {
        "images": [str(source)],
        "conversations": [{"role": "user", "content": f"make thing {number} blue"}],
        "edited_images": [str(path) for path in made],
        "sub_type": ("add", "remove", "recolour")[number % 3],
        **more,
    }


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows into a jsonl file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def judged_cache(folder: Path, *, accepted: int = 6, rejected: int = 2, failed: int = 1) -> Path:
    """A cache directory: accepted rows at their second try, rejected ones after two, failed ones with a reason."""
    own, sides, tries, errors = [], [], [], []
    for number in range(accepted + rejected):
        tried = [row_of(folder, number, 2)["edited_images"]]
        edits = [path for paths in tried for path in paths]  # type: ignore[attr-defined]
        is_good = number < accepted
        scores = (3.0, 7.0 + (number % 4) * 0.5 if is_good else 2.0 + (number % 10) * 0.1)
        said = [
            {**verdict_of(score, prompt=f"asked {k}", candidate=0, cost=0.01), "try": k}
            for k, score in enumerate(scores)
        ]
        tries += [
            row_of(folder, number, edited_images=[edit], verdict=each) for edit, each in zip(edits, said, strict=True)
        ]
        if is_good:
            own.append(
                row_of(folder, number, edited_images=edits[1:], verdict=verdict_of(scores[1], tries=2, cost=0.02))
            )
        else:
            sides.append(row_of(folder, number, edited_images=edits, verdict=said))
    for number in range(failed):
        row = row_of(folder, accepted + rejected + number, edited_images=[], verdict=[])
        own.append(row)
        fields = {name: row[name] for name in ("images", "conversations")}
        errors.append(
            {"row": len(own) - 1, "class": "refused", "reason": "the model would not do it", "fields": fields}
        )
    write_rows(folder / f"{STEP}.jsonl", own)
    for name, rows in (("rejected", sides), ("tries", tries), ("errors", errors)):
        write_rows(folder / f"{STEP}.{name}.jsonl", rows)
    return folder


def found(catalogue: Catalogue, query: Query = Query()) -> list[str]:  # noqa: B008 - a frozen value
    """The places of all rows that a query finds, in order."""
    return [str(place) for place in catalogue.find(query, 0, 1000).places]
