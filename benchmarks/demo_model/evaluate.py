"""Measures the demo model on examples that training never saw, through the real pipelines.

`python -m benchmarks.demo_model.evaluate DIR` prints a table. The checker decides which pictures are right; it takes no
part in drawing them.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path

import torch
from diffusers import FluxKontextPipeline, FluxPipeline
from PIL import Image

from benchmarks.demo_model.pictures import stitched
from dataflow.demo.checker import Verdict, fault, judge
from dataflow.demo.edits import SHARES, Example, Split, make_example
from dataflow.demo.packaged import STEPS, TOKENS
from dataflow.demo.phrases import OPERATIONS
from dataflow.demo.world import SIDE

SEED = 2_000_003
"""The seed of examples for measuring; training uses seeds below a million."""

SPLITS: tuple[Split, ...] = ("seen", "new_pair", "new_phrasing")
_AT_ONCE = 25


@dataclass(frozen=True, slots=True)
class Score:
    """The checker's verdicts on the pictures of one operation, added up.

    Args:
        count: the number of pictures.
        right: how many pictures are exactly right.
        unreadable: how many pictures show no scene.
        untouched: the number of shapes that had to stay as they were, over all pictures.
        unchanged: how many of those shapes did stay.
        faults: fault → the number of wrong pictures that have it.
    """

    count: int
    right: int
    unreadable: int
    untouched: int
    unchanged: int
    faults: dict[str, int]

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the share that is right."""
        return wilson(self.right, self.count)


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of the share `right` of `count`. Source: Wilson, JASA 22 (1927)."""
    z, share = 1.96, right / count
    middle = share + z * z / (2 * count)
    spread = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def examples(split: Split, count: int, operations: Sequence[str]) -> list[Example]:
    """Makes `count` examples that go through the operations in turn."""
    return [
        make_example(SEED, index, split=split, operation=operations[index % len(operations)]) for index in range(count)
    ]


def answers(pipeline: FluxKontextPipeline, asked: Sequence[Example], *, steps: int = STEPS) -> list[Image.Image]:
    """Draws a picture for each example; the noise of example i has the seed i.

    Args:
        pipeline: edits; examples that draw go through a `FluxPipeline` of the same networks.
        asked: examples of any operations.
        steps: denoising steps.
    """
    drawing = FluxPipeline(**pipeline.components)
    for pipe in (pipeline, drawing):
        pipe.set_progress_bar_config(disable=True)
    pictures: dict[int, Image.Image] = {}
    for shown in sorted({len(example.sources) for example in asked}):
        chosen = [index for index, example in enumerate(asked) if len(example.sources) == shown]
        for start in range(0, len(chosen), _AT_ONCE):
            rows = chosen[start : start + _AT_ONCE]
            common = {
                "prompt": [asked[i].instruction for i in rows],
                "generator": [torch.Generator().manual_seed(i) for i in rows],
                "num_inference_steps": steps,
                "height": SIDE,
                "width": SIDE,
                "max_sequence_length": TOKENS,
            }
            if shown:
                canvases = [Image.fromarray(stitched(asked[i].sources)) for i in rows]
                made = pipeline(image=canvases, max_area=SIDE * SIDE, _auto_resize=False, **common).images
            else:
                made = drawing(**common).images
            pictures.update(zip(rows, made, strict=True))
    return [pictures[index] for index in range(len(asked))]


def scores(asked: Sequence[Example], pictures: Sequence[Image.Image]) -> dict[str, Score]:
    """The score of every operation among the examples, and of all single edits together as "single"."""
    verdicts = [(example, judge(picture, example)) for example, picture in zip(asked, pictures, strict=True)]
    found = {name: [pair for pair in verdicts if pair[0].operation == name] for name in SHARES}
    found["single"] = [pair for pair in verdicts if pair[0].operation in OPERATIONS]
    return {name: _score(pairs) for name, pairs in found.items() if pairs}


def _score(pairs: Sequence[tuple[Example, Verdict]]) -> Score:
    return Score(
        count=len(pairs),
        right=sum(verdict.right for _, verdict in pairs),
        unreadable=sum(not verdict.readable for _, verdict in pairs),
        untouched=sum(verdict.untouched for _, verdict in pairs),
        unchanged=sum(verdict.unchanged for _, verdict in pairs),
        faults=dict(Counter(fault(verdict.found, example.target) for example, verdict in pairs if not verdict.right)),
    )


def table(found: dict[str, Score]) -> str:
    """The scores as lines of text."""
    lines = [f"{'operation':<12} {'n':>5} {'right':>7}  95 % interval  unchanged  faults"]
    for name, score in found.items():
        low, high = score.interval
        kept = f"{score.unchanged / score.untouched:9.1%}" if score.untouched else " " * 9
        faults = ", ".join(f"{word} {times}" for word, times in sorted(score.faults.items()))
        share = score.right / score.count
        lines.append(f"{name:<12} {score.count:>5} {share:>7.1%}  {low:.1%}-{high:.1%}  {kept}  {faults}")
    return "\n".join(lines)


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser("python -m benchmarks.demo_model.evaluate", description="Measure the demo model.")
    parser.add_argument("model", type=Path, help="folder of the pipeline")
    parser.add_argument("--count", type=int, default=1000, help="examples of each split (default 1000)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"denoising steps (default {STEPS})")
    parser.add_argument("--json", type=Path, default=None, help="also write the scores there")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: torch's)")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    pipeline = FluxKontextPipeline.from_pretrained(options.model)
    found = {}
    for split in SPLITS:
        asked = examples(split, options.count, tuple(SHARES))
        found[split] = scores(asked, answers(pipeline, asked, steps=options.steps))
        sys.stdout.write(f"{split}\n{table(found[split])}\n\n")
    if options.json:
        write_scores(found, options.json)


def write_scores(found: dict[Split, dict[str, Score]], path: Path) -> None:
    """Writes the scores of several splits as JSON, with each interval."""
    rows = {
        split: {name: {**asdict(score), "interval": score.interval} for name, score in by_operation.items()}
        for split, by_operation in found.items()
    }
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    part.replace(path)


if __name__ == "__main__":
    main()
