"""The demo's example rows: `python -m dataflow.demo.rows` draws example_data/image_gen/demo again.

For each pipeline a folder of the name of its real example rows. Which rows is decided by seed and order alone:
no model has seen any of them when they are made.
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
"""Of these rows only: training and measuring use others."""

WORDINGS: tuple[Split, ...] = ("seen", "new_phrasing")
"""Rows of each edit in each language: in words that training knows, and in others, of which more need a second try."""

DRAWINGS, COMPOSITIONS = 6, 6


@dataclass(frozen=True, slots=True)
class Made:
    """A row and the pictures that lie beside it, by file name."""

    row: Row
    pictures: dict[str, Image.Image] = field(default_factory=dict)


def made_rows() -> dict[str, list[Made]]:
    """Folder below example_data/image_gen/demo → its rows."""
    return {
        "image_edit": [made for operation in SHOWN for language in LANGUAGES for made in _edits(operation, language)],
        "text2image": [_drawing(number) for number in range(DRAWINGS)],
        "multi_image_input_gen": [_composition(number) for number in range(COMPOSITIONS)],
    }


def write_rows(out: Path) -> None:
    """Write every folder: `prompts.jsonl` and the pictures it names."""
    for name, rows in made_rows().items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(made.row, ensure_ascii=False) + "\n" for made in rows)
        (folder / "prompts.jsonl").write_text(lines, encoding="utf-8")
        for made in rows:
            for file, picture in made.pictures.items():
                picture.save(folder / file)


def edit_row(example: Example, name: str) -> Made:
    """An editing row that shows an example's scenes.

    Args:
        example: one with at least one source.
        name: what its picture files begin with.
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
    """What an example asks for in the other phrasings that training knows: the column `instructions` of its row."""
    example = make_example(seed, number, split=split, operation=operation)
    others = [at for at in range(len(PHRASINGS[operation][example.language]) - 1) if at != example.phrasing]
    wordings = (make_example(seed, number, split=split, operation=operation, phrasing=at) for at in others)
    return [message for each in wordings for message in _asked(each.instruction)]


def _edits(operation: str, language: str) -> Iterator[Made]:
    """The first examples of an operation in a language with two shapes to choose from and something to keep.

    Each operation has a thousand numbers of its own: the same number gives the same scene to all of them.
    """
    numbers = count(1000 * (*OPERATIONS, "compose").index(operation))
    for number, split in enumerate(WORDINGS, start=1):
        examples = ((at, make_example(SEED, at, split=split, operation=operation)) for at in numbers)
        fitting = ((at, each) for at, each in examples if len(each.sources[0].shapes) > 1 and each.untouched)
        at, example = next((at, each) for at, each in fitting if each.language == language)
        made = edit_row(example, f"{operation}_{language}{number}")
        made.row["instructions"] = reworded(SEED, at, split=split, operation=operation)
        yield made


def _drawing(number: int) -> Made:
    language = LANGUAGES[number % len(LANGUAGES)]
    examples = (make_example(SEED, number + step, operation="draw") for step in count(step=DRAWINGS))
    chosen = next(each for each in examples if each.language == language)
    truth = as_truth({"images": [chosen.target]})
    return Made({"conversations": _asked(chosen.instruction), TRUTH: truth})


def _composition(number: int) -> Made:
    """Two scenes to be drawn from captions, and one to be made of them: every shape in the middle of a place."""
    rng = np.random.default_rng([SEED, number])
    language = LANGUAGES[number % len(LANGUAGES)]
    phrasings = {name: int(rng.integers(len(PHRASINGS[name][language]) - 1)) for name in ("draw", "compose")}
    state = rng.bit_generator.state

    def composed(phrasing: int) -> tuple[Scene, Scene, str, Scene]:
        """The same scenes in another wording."""
        rng.bit_generator.state = state
        return next(_composable(Draw(rng, TRAINED_PAIRS, language, phrasing)))

    first, second, instruction, target = composed(phrasings["compose"])
    others = [at for at in range(len(PHRASINGS["compose"][language]) - 1) if at != phrasings["compose"]]
    row: Row = {
        "input_text": [
            message for scene in (first, second) for message in _asked(caption(scene, language, phrasings["draw"]))
        ],
        "output_img_discript": _asked(instruction),
        "instructions": [message for at in others for message in _asked(composed(at)[2])],
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
    """Read the command line and write."""
    parser = argparse.ArgumentParser(prog="python -m dataflow.demo.rows", description="Draw the demo's example rows.")
    home = Path("example_data/image_gen/demo")
    parser.add_argument("--out", type=Path, default=home, help=f"folder to write (default {home})")
    write_rows(parser.parse_args().out)


if __name__ == "__main__":
    main()
