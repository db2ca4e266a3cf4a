"""What a judge that edits nothing tells of all the edits that it looked at."""

import json
from pathlib import Path

from dataflow.core.records import Request
from dataflow.operators.core_vision import ImageEditJudge
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from dataflow.view.status import StatusReader, Verdicts
from dataflow.view.status_text import describe
from tests.kit.flow import draw, flat, write_rows

SAID = {"good.png": 9, "bad.png": 3, "odd.png": "?"}


def judged(request: Request) -> str:
    fields = json.loads(request.schema)["properties"]
    return json.dumps(dict.fromkeys(fields, SAID[Path(request.images[-1]).name]))


def test_summary_and_status_count_the_edits_that_it_accepted(tmp_path: Path) -> None:
    for at, name in enumerate(SAID):
        draw(tmp_path / name, size=(8 + at, 8))
    source = str(draw(tmp_path / "source.png", "blue"))
    edited = [[*SAID], ["good.png"], ["good.png"]]
    rows = [{"images": source, "conversations": f"{n}", "edited_images": each} for n, each in enumerate(edited)]
    storage = FileStorage(write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "cache")
    summary = ImageEditJudge(ScriptedWorker(judged), canaries=False).run(storage.step())
    assert "3 rows, 3 edits accepted, 1 edits rejected, 1 edits unjudged, 75% accepted (30% to 95%)" in flat(summary)
    assert {path.name for path in tmp_path.glob("cache/*step1*")} == {
        "dataflow_cache_step_step1.jsonl",
        "dataflow_cache_step_step1.meta.json",
    }
    status = StatusReader(tmp_path / "cache").look()
    (step,) = status.steps
    assert isinstance(step.verdicts, Verdicts)
    assert (step.verdicts.accepted, step.verdicts.rejected, step.verdicts.unjudged) == (3, 1, 1)
    assert "3 accepted, 1 rejected, 1 unjudged: 75% accepted (30% to 95%)" in flat(" ".join(describe(status, 90)))
