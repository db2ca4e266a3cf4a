"""The flags of judged edits: the editing step of a pipeline tries until a judge accepts."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dataflow.judging.canaries import CONDITIONS, PHOTOGRAPHS, read_canaries
from dataflow.judging.promise import Promise, write_promise
from dataflow.testing import image_server
from dataflow.testing.pictures import plain_png
from dataflow.view.status import StatusReader
from tests.kit.flow import draw, read_rows, write_rows
from tests.kit.here import run_here
from tests.scripts.test_demo import model as model

EDIT = "image_editing_pipeline.py"
SEVERAL = "multi_images_to_image_generation_pipeline.py"
ACCEPTED = "accepted_image_editing_pipeline.py"
SYNTHESIS = "image_edit_synthesis_pipeline.py"
DRAW = "text_to_image_generation_pipeline.py"
STEP = Path("cache_local/image_editing/dataflow_cache_step_step1.jsonl")
GOOD, BAD = plain_png(b"good", (64, 64)), plain_png(b"bad", (64, 64))


class Server:
    """Edits on one address and judges on another, which knows the canaries and one good picture."""

    def __init__(self) -> None:
        self.edits, self.verdicts = Counter[str](), 0
        known = [*read_canaries(PHOTOGRAPHS), *read_canaries(CONDITIONS)]
        self._canaries = [(each, Path(each.edit).read_bytes()) for each in known]

    def edit(self, prompt: str, pictures: Sequence[bytes]) -> bytes:
        """Good where the prompt tells of an earlier edit."""
        self.edits[prompt.partition("\n")[0]] += 1
        return GOOD if "earlier edit" in prompt or "easy" in prompt else BAD

    def draw(self, prompt: str, pictures: Sequence[bytes]) -> bytes:
        """Good at once if it is easy, and else at the second time."""
        self.edits[prompt] += 1
        return GOOD if prompt == "easy" or self.edits[prompt] == 2 else BAD

    def judge(self, prompt: str, pictures: Sequence[bytes]) -> str:
        """Numbers for each axis."""
        self.verdicts += 1
        at = 9 if pictures[-1] == GOOD else 2
        axes = ("following", "preservation", "naturalness", "artefacts", "shows", "target", "flaws")
        numbers = dict.fromkeys(axes, at)
        for canary, edit in self._canaries:
            is_asked = canary.instruction in prompt and (canary.drawn is None or canary.drawn.description in prompt)
            if pictures[-1] == edit and is_asked and ("<description>" in prompt) == (canary.drawn is not None):
                numbers |= {axis: 9 if each == "high" else 1 for axis, each in canary.expects.items()}
        return json.dumps({"reasoning": "it is blue", **numbers})


Run = Callable[..., int]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> Run:
    """Runs the editing pipeline over two rows, of which one is easy."""
    images = [str(draw(tmp_path / "a.png"))]
    rows = [{"images": images, "conversations": words} for words in ("easy", "hard")]
    write_rows(tmp_path / "rows.jsonl", rows)

    def run(*flags: str, judged: bool = True) -> int:
        with image_server(server.edit) as editor, image_server(server.judge) as judge:
            judging = ("--judge_model", "looker", "--judge_url", judge, "--no_gates") if judged else ()
            given = ("--input", "rows.jsonl", "--api_url", editor, *judging, *flags)
            return run_here(monkeypatch, EDIT, tmp_path, *given)

    return run


def test_edits_of_an_earlier_run_are_the_first_try_and_paid_no_more(run: Run, server: Server) -> None:
    assert run(judged=False) == 0
    before = read_rows(STEP)
    assert run("--tries", "1") == 0
    assert server.edits == {"easy": 1, "hard": 1}
    (accepted,) = read_rows(STEP)
    assert accepted["edited_images"] == before[0]["edited_images"]
    assert [row["conversations"] for row in read_rows(STEP.with_suffix(".rejected.jsonl"))] == ["hard"]


def test_another_try_asks_for_what_was_rejected_alone_and_says_what_it_brought(
    run: Run, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--tries", "2") == 0
    assert server.edits == {"easy": 1, "hard": 2}
    assert [row["verdict"]["tries"] for row in read_rows(STEP)] == [1, 2]
    said = capsys.readouterr().out
    assert "accepted at the first try: 1 of 2 rows, 50%\naccepted in the end: 2 of 2 rows, 100% (" in said
    assert "\npairs of an accepted and a rejected edit of one row: 1\nprecision: not calibrated" in said


def test_calibrated_thresholds_are_held_against_what_was_judged_and_nothing_is_asked_again(
    run: Run, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--tries", "1") == 0
    verdict = read_rows(STEP)[0]["verdict"]
    asked = server.verdicts
    assert "to train on them: dataflowmm export" in capsys.readouterr().out
    write_promise(tmp_path / "t.json", Promise(verdict["judge"], verdict["rubric"], 9.5, 0.9, 0.9, 22, 0))
    assert run("--tries", "1", "--thresholds", str(tmp_path / "t.json")) == 0
    assert read_rows(STEP) == []
    assert "to train on them" not in capsys.readouterr().out
    assert (server.verdicts, server.edits) == (asked, {"easy": 1, "hard": 1})
    write_promise(tmp_path / "t.json", Promise("of another", verdict["rubric"], 9.5, 0.9, 0.9, 22, 0))
    assert run("--tries", "1", "--thresholds", str(tmp_path / "t.json")) == 1
    assert "was calibrated for judge of another" in capsys.readouterr().err


def test_the_status_of_the_directory_says_what_was_accepted(run: Run) -> None:
    assert run("--tries", "1") == 0
    (step,) = StatusReader(STEP.parent).look().steps
    assert step.verdicts is not None
    assert (step.verdicts.accepted, step.verdicts.rejected, step.verdicts.unjudged) == (1, 1, 0)
    assert step.verdicts.share == 0.5


def test_side_outputs_have_contact_sheets_and_empty_ones_none(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--tries", "2") == 0
    drawn = {path.name for path in STEP.parent.glob("*.png")}
    assert drawn == {"contact_sheet.png", "contact_sheet.pairs.png", "contact_sheet.tries.png"}
    assert f"pairs of an accepted and a rejected edit: {STEP.parent}/contact_sheet.pairs.png" in capsys.readouterr().out


def test_candidates_are_edits_of_each_try(run: Run, server: Server) -> None:
    assert run("--tries", "1", "--candidates", "3") == 0
    assert server.edits == {"easy": 3, "hard": 3}


def test_without_a_judges_flags_nobody_judges(run: Run, server: Server) -> None:
    assert run(judged=False) == 0
    assert server.verdicts == 0
    assert ["verdict" in row for row in read_rows(STEP)] == [False, False]


def test_without_a_judge_nothing_is_said_of_what_was_accepted(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(judged=False) == 0
    assert "accepted" not in capsys.readouterr().out


@pytest.mark.parametrize("flags", [("--tries", "3"), ("--candidates", "2"), ("--no_gates",)])
def test_a_flag_that_is_for_judged_edits_is_refused_without_a_judge(
    run: Run, server: Server, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]
) -> None:
    assert run(*flags, judged=False) == 1
    assert f"{flags[0]} is for edits that are judged, and nothing judges them: give --judge_model" in (
        capsys.readouterr().err
    )
    assert not server.edits


@pytest.mark.parametrize(
    ("script", "flags", "words"),
    [
        (EDIT, ["--serving_type", "demo", "--tries", "0"], "tries is 0: give a number from 1"),
        (EDIT, ["--serving_type", "demo", "--judge_model", "gpt"], "no folder gpt"),
        (EDIT, ["--serving_type", "local", "--judge_url", "nowhere"], "is no address"),
        (EDIT, ["--judge_model", "gpt"], "--judge_model gpt: there is no folder"),
        (SEVERAL, ["--serving_type", "demo", "--tries", "2", "--repeat_times", "2"], "repeat_times is 2, and a judge"),
        (SYNTHESIS, ["--serving_type", "local", "--candidates", "2"], "--candidates is for edits that are judged"),
        (SYNTHESIS, ["--serving_type", "local", "--redraws", "1"], "--redraws is for drawings that are judged"),
        (DRAW, ["--serving_type", "demo", "--redraws", "-1"], "redraws is -1: give a number from 0"),
    ],
)
def test_flags_that_cannot_be_right_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    script: str,
    flags: list[str],
    words: str,
) -> None:
    assert run_here(monkeypatch, script, tmp_path, *flags) == 1
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.timeout(300)  # torch is loaded
@pytest.mark.parametrize("script", [EDIT, SEVERAL, ACCEPTED])
def test_the_demo_judges_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str, script: str
) -> None:
    flags = ["--limit", "2", "--model", model, *(["--t2i_model", model] if script == SEVERAL else [])]
    assert run_here(monkeypatch, script, tmp_path, "--serving_type", "demo", "--tries", "2", *flags) == 0
    assert "0 rows, 2 rejected, 4 tries, 0 pairs, 0% accepted" in capsys.readouterr().out, "the model is untrained"


@pytest.mark.timeout(300)  # torch is loaded
def test_no_edit_of_a_drawing_that_the_judge_rejects_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    models = ("--model", model, "--t2i_model", model)
    flags = ("--serving_type", "demo", "--n", "2", "--redraws", "1", *models)
    assert run_here(monkeypatch, SYNTHESIS, tmp_path, *flags) == 0
    said = capsys.readouterr().out
    assert "step 2: 0 rows, 2 rejected" in " ".join(said.split()), "the model is untrained"
    folder = tmp_path / "cache_local/image_edit_synthesis"
    (line, _) = read_rows(folder / "dataflow_cache_step_step2.rejected.jsonl")
    assert len(line["condition_verdict"]) == 2 * len(line["input_text"])
    assert read_rows(folder / "dataflow_cache_step_step3.jsonl") == []
    assert not (folder / "target_images").exists()


def test_drawings_of_an_earlier_run_are_judged_and_the_bad_one_alone_is_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], server: Server
) -> None:
    write_rows(tmp_path / "rows.jsonl", [{"conversations": words} for words in ("easy", "hard")])
    with image_server(server.draw) as painter, image_server(server.judge) as judge:
        flags = ("--input", "rows.jsonl", "--api_url", painter)
        assert run_here(monkeypatch, DRAW, tmp_path, *flags) == 0
        assert (server.edits.total(), server.verdicts) == (2, 0)
        assert run_here(monkeypatch, DRAW, tmp_path, *flags, "--judge_model", "looker", "--judge_url", judge) == 0
    assert server.edits == {"easy": 1, "hard": 2}
    assert server.verdicts == 3 + 3, "canaries, and three drawings"
    said = capsys.readouterr().out
    assert "accepted at the first try: 1 of 2 rows, 50%" in said
    assert "accepted in the end: 2 of 2 rows, 100%" in said
    rows = read_rows(tmp_path / "cache_local/text_to_image/dataflow_cache_step_step1.jsonl")
    assert [row["condition_verdict"]["tries"] for row in rows] == [1, 2]
    assert (tmp_path / "cache_local/text_to_image/contact_sheet.tries.png").is_file()
