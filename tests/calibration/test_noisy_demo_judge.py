"""On the demo, whose judge errs by choice: labels by the truth find a threshold, and fresh edits keep its promise."""

from pathlib import Path

import pytest

from benchmarks.precision import LooksOnce
from dataflow.calibration.calibrate import calibrate
from dataflow.calibration.labels import Label
from dataflow.calibration.sampling import draw_sample
from dataflow.demo.edits import make_example
from dataflow.demo.rows import edit_row
from dataflow.demo.world import draw
from dataflow.judging.promise import Promise
from dataflow.operators.core_vision import ImageEditJudge
from dataflow.utils.storage import FileStorage, Step
from tests.kit.flow import read_rows, write_rows


def judged(folder: Path, seed: int, thresholds: float | Promise, *, rows: int) -> Step:
    """Edits of which a third changes nothing, judged three times each by a judge that praises 35 % of these."""
    edits = folder / f"edits/{seed}"  # what is drawn follows from these two and the file
    edits.mkdir(parents=True)
    made_rows = []
    for number in range(rows):
        example = make_example(seed, number, operation="recolour")
        made = edit_row(example, f"{edits}/{number}")
        for name, picture in made.pictures.items():
            picture.save(name)
        is_wrong = number % 3 == 0
        edit = edits / f"edit_{number}_{'wrong' if is_wrong else 'right'}.png"
        draw(example.sources[0] if is_wrong else example.target).save(edit)
        made_rows.append({**made.row, "edited_images": [str(edit)]})
    step = FileStorage(write_rows(folder / f"{seed}.jsonl", made_rows), folder / f"cache_{seed}").step()
    judge = LooksOnce(false_accept=0.35, false_reject=0.1)
    ImageEditJudge(judge, passes=3, thresholds=thresholds, canaries=False).run(step)
    return step


@pytest.mark.slow  # docs/calibration.md, whose block the quick tests run, does the same in small
def test_fresh_edits_are_as_good_as_labels_by_the_truth_promised(tmp_path: Path) -> None:
    verdicts = judged(tmp_path, 41, 7.0, rows=200).target
    labels = [
        Label(each.picture, "yes" if "right" in each.file else "no", path=each.edit.path, sample=each.sample)
        for each in draw_sample(verdicts, count=200, twice=0).showings
    ]
    found = calibrate(labels, verdicts, precision=0.9)
    assert found.promise is not None
    assert found.promise.at == 10, (
        "at 7, where two of three passes are enough, some 85 % are right and no promise holds"
    )
    assert found.search.failed is not None
    fresh = [row for row in read_rows(judged(tmp_path, 42, found.promise, rows=120).target) if row["accepted"]]
    assert len(fresh) > 40
    assert sum("right" in row["edited_images"][0] for row in fresh) / len(fresh) >= 0.9
