"""Make the demo's example rows: `python -m dataflow.demo.rows` writes example_data/image_gen/demo again.

Each pipeline's demo rows are in a folder that is named as the folder of its real example rows. Seed and order alone
decide which rows are written; they were not chosen by what a model makes of them.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from dataflow.core.records import JSON, Row
from dataflow.demo.changes import Draw, NoRoomError, compose
from dataflow.demo.edits import TRAINED_PAIRS, Example, Split, make_example
from dataflow.demo.packaged import SHOWN
from dataflow.demo.phrases import LANGUAGES, OPERATIONS, PHRASINGS
from dataflow.demo.truth import TRUTH, as_truth
from dataflow.demo.wording import caption
from dataflow.demo.world import Scene, draw

SEED = 3_000_017
"""The seed of these rows; training and measuring use other seeds."""

WORDINGS: tuple[Split, ...] = ("seen", "new_phrasing")
"""The rows of each edit in each language: one in a phrasing of training, one in a held-out phrasing, which more often
needs a second try."""

DRAWINGS, COMPOSITIONS = 6, 6


@dataclass(frozen=True, slots=True)
class Made:
    """A row, and the pictures that are written beside it, by file name."""

    row: Row
    pictures: dict[str, Image.Image] = field(default_factory=dict)


def made_rows() -> dict[str, list[Made]]:
    """Folder below example_data/image_gen/demo → the rows of that folder."""
    return {
        "image_edit": [made for operation in SHOWN for language in LANGUAGES for made in _edits(operation, language)],
        "text2image": [_drawing(number) for number in range(DRAWINGS)],
        "multi_image_input_gen": [_composition(number) for number in range(COMPOSITIONS)],
    }


def write_rows(out: Path) -> None:
    """Write every folder below `out`: its `prompts.jsonl` and the pictures that this file names."""
    for name, rows in made_rows().items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(made.row, ensure_ascii=False) + "\n" for made in rows)
        (folder / "prompts.jsonl").write_text(lines, encoding="utf-8")
        for made in rows:
            for file, picture in made.pictures.items():
                picture.save(folder / file)


def edit_row(example: Example, name: str) -> Made:
    """An editing row for an example.

    Args:
        example: has at least one source.
        name: how the names of the row's picture files begin.
    """
    pictures = {f"{name}_{number}.png": draw(scene) for number, scene in enumerate(example.sources, start=1)}
    row: Row = {
        "conversations": _asked(example.instruction),
        "images": [*pictures],
        "edited_images": [""],
        TRUTH: as_truth({"edited_images": [example.target]}),
    }
    return Made(row, pictures)


def reworded(seed: int, number: int, *, split: Split, operation: str) -> list[JSON]:
    """The instruction of an example in the other phrasings of training: the column `instructions` of its row.

    Args:
        seed: the example's.
        number: the example's index.
        split: the example's.
        operation: the example's.
    """
    example = make_example(seed, number, split=split, operation=operation)
    phrasings = range(len(PHRASINGS[operation][example.language]) - 1)
    others = [phrasing for phrasing in phrasings if phrasing != example.phrasing]
    examples = (make_example(seed, number, split=split, operation=operation, phrasing=phrasing) for phrasing in others)
    return [message for wording in examples for message in _asked(wording.instruction)]


def _edits(operation: str, language: str) -> Iterator[Made]:
    """The rows of an operation in a language: the first examples with several shapes, of which one stays unchanged.

    Each operation has a thousand indices of its own, because the same index gives the same scene in every operation.
    """
    numbers = count(1000 * (*OPERATIONS, "compose").index(operation))
    for number, split in enumerate(WORDINGS, start=1):
        examples = ((index, make_example(SEED, index, split=split, operation=operation)) for index in numbers)
        fitting = ((n, found) for n, found in examples if len(found.sources[0].shapes) > 1 and found.untouched)
        index, example = next((n, found) for n, found in fitting if found.language == language)
        made = edit_row(example, f"{operation}_{language}{number}")
        made.row["instructions"] = reworded(SEED, index, split=split, operation=operation)
        yield made


def _drawing(number: int) -> Made:
    language = LANGUAGES[number % len(LANGUAGES)]
    examples = (make_example(SEED, number + step, operation="draw") for step in count(step=DRAWINGS))
    chosen = next(example for example in examples if example.language == language)
    truth = as_truth({"images": [chosen.target]})
    return Made({"conversations": _asked(chosen.instruction), TRUTH: truth})


def _composition(number: int) -> Made:
    """A row with the captions of two scenes and the instruction to compose them; every shape is at a named place."""
    rng = np.random.default_rng([SEED, number])
    language = LANGUAGES[number % len(LANGUAGES)]
    phrasings = {name: int(rng.integers(len(PHRASINGS[name][language]) - 1)) for name in ("draw", "compose")}
    state = rng.bit_generator.state

    def composed(phrasing: int) -> tuple[Scene, Scene, str, Scene]:
        """The same scenes with their instruction in another phrasing."""
        rng.bit_generator.state = state
        return next(_composable(Draw(rng, TRAINED_PAIRS, language, phrasing)))

    first, second, instruction, target = composed(phrasings["compose"])
    trained = range(len(PHRASINGS["compose"][language]) - 1)
    others = [phrasing for phrasing in trained if phrasing != phrasings["compose"]]
    row: Row = {
        "input_text": [
            message for scene in (first, second) for message in _asked(caption(scene, language, phrasings["draw"]))
        ],
        "output_img_discript": _asked(instruction),
        "instructions": [message for phrasing in others for message in _asked(composed(phrasing)[2])],
        TRUTH: as_truth({"input_image": [first, second], "output_image": [target]}),
    }
    return Made(row)


def _composable(draw: Draw) -> Iterator[tuple[Scene, Scene, str, Scene]]:
    while True:
        try:
            first, second = draw.placed_scene(), draw.placed_scene()
            if max(len(first.shapes), len(second.shapes)) <= 2:
                instruction, target = compose(draw, first, second)
                yield first, second, instruction, target
        except NoRoomError:
            continue


def _asked(words: str) -> list[JSON]:
    return [{"content": words, "role": "user"}]


def main() -> None:
    """Read the command line and write the rows."""
    parser = argparse.ArgumentParser(prog="python -m dataflow.demo.rows", description="Draw the demo's example rows.")
    home = Path("example_data/image_gen/demo")
    parser.add_argument("--out", type=Path, default=home, help=f"folder to write (default {home})")
    write_rows(parser.parse_args().out)


if __name__ == "__main__":
    main()
