"""Measures how many drawings of the demo are good, at first and after redrawing, and how often the judge is right.

OMP_NUM_THREADS=1 python -m benchmarks.condition_check --out FOLDER [--rows 200]

The judge reads picture, description and instruction, never the row's truth; "truly right" is by that truth. All numbers
of redrawings share one journal, so each asks only what none before it asked; a folder may be used again.
"""

import argparse
from pathlib import Path

import orjson

from dataflow.core.records import Row
from dataflow.demo.edits import Split, make_example
from dataflow.demo.judge import DRAWN_CONDITIONS, CheckerJudge
from dataflow.demo.truth import TRUTH, as_truth, faults, truth_of
from dataflow.demo.wording import say, subject
from dataflow.operators.core_vision import CheckedImageGenerator
from dataflow.scripts.servings import make_serving
from dataflow.utils.storage import FileStorage, Step

SEED = 5_000_111
"""Of these rows only."""

SETS: dict[str, Split] = {"known phrasings": "seen", "a new phrasing": "new_phrasing", "new shapes": "new_pair"}
ERRING = {"false_accept": 0.3, "false_reject": 0.1}


def made_row(split: Split, number: int) -> Row:
    """Make a row: a description, and the instruction to remove its first shape."""
    example = make_example(SEED, number, split=split, operation="draw")
    named = subject(example.target.shapes[0], example.language)
    return {
        "input_text": example.instruction,
        "conversations": say("remove", example.language, 0, {"subject": named}),
        TRUTH: as_truth({"images": [example.target]}),
    }


def lines(path: Path) -> list[Row]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def is_right(row: Row) -> bool:
    """Whether a row's drawing shows what its truth says."""
    return faults(row["images"], truth_of(row)["images"], Path) == [""]


def counted(step: Step) -> str:
    """Count accepted rows, drawings, and drawings on which the judge errs."""
    out, tries = lines(step.target), lines(step.side("tries"))
    judged = [(row["condition_verdict"]["accepted"], is_right(row)) for row in tries]
    wrong, right = (sum(found is this for _, found in judged) for this in (False, True))
    false = f"{judged.count((True, False))} of {wrong} | {judged.count((False, True))} of {right}"
    return f"{len(out)} | {sum(map(is_right, out))} | {len(tries)} | {false}"


def measured(folder: Path, name: str, rows: int) -> None:
    """Run every number of redrawings on one set of rows, and print a line for each."""
    folder.mkdir(parents=True, exist_ok=True)
    first = folder / "rows.jsonl"
    first.write_bytes(b"".join(orjson.dumps(made_row(SETS[name], number)) + b"\n" for number in range(rows)))
    painter = make_serving("demo", "text2image", str(folder / "pictures"))
    columns = {"input_conversation_key": "input_text", "input_instruction_key": "conversations"}
    for errs in ({}, ERRING):
        for redraws in range(3):
            judge = CheckerJudge(**errs)
            check = CheckedImageGenerator(painter, judge, redraws=redraws, canaries=not errs and DRAWN_CONDITIONS)
            prefix = f"{'errs' if errs else 'exact'}{redraws}"
            step = FileStorage(first, folder / "cache", file_name_prefix=prefix).step()
            check.run(step, **columns)
            print(f"| {name}, {rows} | {'errs' if errs else 'exact'} | {redraws} | {counted(step)} |", flush=True)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.condition_check", description=__doc__.partition("\n")[0]
    )
    home = Path("cache_local/condition_check")
    parser.add_argument("--out", type=Path, default=home, help="folder of rows and answers")
    parser.add_argument("--rows", type=int, default=200, help="of each set (default %(default)s)")
    given = parser.parse_args()
    print("| rows | judge | redraws | accepted | truly right | drawings | false accepts | false rejects |")
    print("|---|---|---|---|---|---|---|---|")
    for name in SETS:
        measured(given.out / name.replace(" ", "_"), name, given.rows)


if __name__ == "__main__":
    main()
