"""What a row is replayed with, what its operator may make of it, and what a picture is known by.

A picture is its content: whatever its size and times say, and however often its file was replaced.
"""

import math
import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
import pytest

from dataflow.core.records import Answer, Job, PictureFacts, Row, Side
from dataflow.errors import ConfigError, Failure, StepFailed
from dataflow.flow.runner import run_step
from dataflow.io import ImageIO
from dataflow.journal.journal import Journal
from dataflow.operators.base import FilterOperator
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.files import sha256_hex, stamp_of
from dataflow.utils.rowfiles import read_rows as rows_in
from dataflow.utils.storage import FileStorage
from tests.kit.drawing import mark_of, read_mark
from tests.kit.flow import Ask, column, draw, flat, judge_until_good, prompts_storage, read_rows, recipe, write_rows
from tests.kit.loopback import Act, Asked, LoopbackServer
from tests.kit.workers import Echo, Gated, Scripted, until


def test_a_failure_of_another_step_is_not_taken_for_the_own(tmp_path: Path) -> None:
    storage, worker = prompts_storage(tmp_path, ["first", "same"]), Echo()
    other = FileStorage(storage.first_entry_file_name, storage.cache_path, "other")
    slow = Gated(held="same")
    slow.model = "another"

    def fail_beside() -> None:
        until(lambda: worker.asked == ["first"])  # so the second step has begun
        Ask(Scripted({"same": [Failure("failed", "once")]})).run(other.step())
        slow.open()

    thread = threading.Thread(target=fail_beside)
    thread.start()
    with storage.overlapped():
        Ask(slow).run(storage.step(), output_key="other")
        Ask(worker).run(storage.step())
    thread.join()
    assert [read_rows(other.current.errors)[0]["reason"], worker.asked] == ["once", ["first", "same"]]
    assert not storage.current.errors.exists()


class FailsOnce(Gated):
    """Fails one prompt, and holds another one."""

    async def answer(self, job: Job) -> Answer:
        answer = await super().answer(job)
        return Answer(error=Failure("failed", "no")) if job.request.prompt == "fails" else answer


def test_a_row_that_failed_stays_failed_though_another_step_is_answered_the_same(tmp_path: Path) -> None:
    storage, editor, judge = prompts_storage(tmp_path, ["held", "fails"]), FailsOnce(held="held"), Echo(model="judge")
    other = FileStorage(tmp_path / "other.jsonl", storage.cache_path, "other")

    def answer_beside() -> None:
        until(lambda: sorted(editor.asked) == ["fails", "held"])
        until(lambda: (tmp_path / "cache/.dataflow/journal.jsonl").read_text().count('"fail"') == 1)
        only = other.step()
        only.source.write_text('{"prompt": "fails"}\n')
        Ask(Echo()).run(only)
        editor.open()

    thread = threading.Thread(target=answer_beside)
    thread.start()
    made = recipe(editor, steps=judge_until_good, workers={"editor": editor, "judge": judge})
    summary = run_step(made, storage.step())
    thread.join()
    assert summary.failed == 1
    again = run_step(made, FileStorage(storage.first_entry_file_name, storage.cache_path).step())
    assert (again.failed, "fails" in editor.asked[2:]) == (0, False)


class Own(Ask):
    """Returns what a function makes of the row that it would return."""

    sides = ("aside",)

    def __init__(self, worker: Echo, make: Callable[[Row], Any]) -> None:
        super().__init__(worker)
        self.make = make

    def merge(self, row: Row, answers: Sequence[Answer], columns: Any) -> Any:
        (made,) = super().merge(row, answers, columns)
        return self.make(made) if row["prompt"] == "odd" else [made]


def odd(value: object) -> Callable[[Row], Any]:
    return lambda row: [{**row, "thumb": value}]


def within(row: Row) -> list[Row]:
    row["meta"]["thumb"] = b"PNG"
    return [row]


WITHOUT_A_FORM = [
    (odd(b"PNG"), "column `thumb` holds a bytes, which JSON has no form for: b'PNG'. Leave the column out"),
    (odd({"by_name": [Decimal("1.10")]}), "column `thumb` holds a Decimal, which"),
    (odd({("a", 1): 2}), "column `thumb` holds a key of type tuple, which"),
    (odd(10**5000), "column `thumb` holds a number of too many digits"),
    (lambda row: [{**row, b"thumb": 1}], "column `b'thumb'` holds a key of type bytes, which"),
    (lambda row: [row, Side("aside", {"thumb": b"PNG"})], "column `thumb` holds a bytes, which"),
    (lambda row: [Side("elsewhere", row)], "for the side output 'elsewhere', which it did not declare"),
    (within, "column `meta` holds a bytes, which"),
    (lambda row: None, "must return a list of rows (dicts), each alone or in a Side, not None"),
    (lambda row: [[row]], "must return a list of rows (dicts), each alone or in a Side, not [{"),
]


@pytest.mark.parametrize(("make", "words"), WITHOUT_A_FORM)
def test_a_row_that_no_file_can_hold_fails_alone_and_costs_nothing_more(
    tmp_path: Path, make: Callable[[Row], Any], words: str
) -> None:
    rows = [{"prompt": prompt, "meta": {"n": 1}} for prompt in ("a", "odd", "b")]
    storage = FileStorage(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "cache")
    summary = Own(Echo(), make).run(storage.step())
    assert (summary.rows, summary.failed, summary.requests) == (3, 1, 3)
    (line,) = read_rows(storage.current.errors)
    assert line["reason"].startswith("Own ")
    assert words in line["reason"]
    assert [bool(answer) for answer in column(storage, "answer")] == [True, False, True]
    assert read_rows(storage.current.side("aside")) == []
    mended = Echo()
    assert Ask(mended).run(storage.reset().step()).failed == 0
    assert mended.asked == []


def test_a_row_within_itself_fails_alone(tmp_path: Path) -> None:
    def knot(row: Row) -> list[Row]:
        row["self"] = [row]
        return [row]

    storage = prompts_storage(tmp_path, ["a", "odd"])
    assert Own(Echo(), knot).run(storage.step()).reasons == {
        "Own returns a row that no file can hold: column `self` holds values that are nested too deeply, or within"
        " themselves. Leave the column out or give it as text; a picture belongs in a file that the row names": 1
    }


def test_where_every_row_is_such_the_run_says_so_and_keeps_the_answers(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["odd"])
    with pytest.raises(StepFailed, match=r"every row of step 1 failed.*column `thumb` holds a bytes"):
        Own(Echo(), odd(b"PNG")).run(storage.step())
    mended = Echo()
    Ask(mended).run(storage.reset().step())
    assert mended.asked == []


@pytest.mark.parametrize("cache_type", ["jsonl", "json", "csv"])
def test_what_has_a_form_is_carried(tmp_path: Path, cache_type: str) -> None:
    values = {
        "set": {"b", "a", "c"},
        "mixed": {"b", 2, 10},
        "array": numpy.array([1.5, math.nan]),
        "path": tmp_path / "a.png",
        "time": datetime(2026, 1, 2, tzinfo=UTC),
        "nan": math.nan,
        "tuple": (1, numpy.float32(0.5)),
        "none": [numpy.datetime64("NaT"), None],
    }
    storage = prompts_storage(tmp_path, ["odd"], cache_type=cache_type)
    assert Own(Echo(), lambda row: [row | values]).run(storage.step()).failed == 0
    ((_, row),) = rows_in(storage.current.target)
    assert (row["set"], row["mixed"], row["array"]) == (["a", "b", "c"], [2, 10, "b"], [1.5, None])
    assert (row["path"], row["time"]) == (str(tmp_path / "a.png"), "2026-01-02T00:00:00+00:00")
    assert (row["tuple"], row["none"]) == ([1, 0.5], [None, None])
    assert row["nan"] in (None, "")


def test_a_row_changed_in_place_is_what_it_was_where_it_fails(tmp_path: Path) -> None:
    class Changing(Ask):
        def merge(self, row: Row, answers: Sequence[Answer], columns: Any) -> Any:
            row["prompt"], row["answer"] = "other", answers[0].text
            return [{**row, "thumb": b""}]

    storage = prompts_storage(tmp_path, ["a"])
    with pytest.raises(StepFailed):
        Changing(Echo()).run(storage.step())
    assert read_rows(storage.current.target) == [{"prompt": "a", "answer": []}]
    assert read_rows(storage.current.errors)[0]["fields"] == {"prompt": "a"}


@pytest.mark.parametrize("verdict", [None, "no", 1, ("no", "reason"), (False,), (False, b"reason")])
def test_a_filter_without_a_verdict_on_a_row_fails_that_row_alone(tmp_path: Path, verdict: object) -> None:
    class Unclear(FilterOperator):
        def keep(self, row: Row, answers: Sequence[Answer] | None) -> Any:
            return verdict if row["prompt"] == "odd" else numpy.bool_(row["prompt"] == "a")

    storage = prompts_storage(tmp_path, ["a", "odd", "b"])
    summary = Unclear().run(storage.step())
    assert (column(storage, "prompt"), summary.failed, summary.sides["dropped"]) == (["a"], 1, 1)
    words = "column `reason` holds a bytes" if verdict == (False, b"reason") else "True, False or (False, reason), not"
    assert words in flat(read_rows(storage.current.errors)[0]["reason"])


def test_a_failed_row_beside_texts_has_a_form_in_parquet(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "bad"], cache_type="parquet")
    summary = Ask(Scripted({"bad": [Failure("refused", "no")]})).run(storage.step())
    assert (summary.rows, summary.failed) == (2, 1)
    first, second = (row for _, row in rows_in(storage.current.target))
    assert (bool(first["answer"]), second["answer"]) == (True, None)


def test_a_step_written_by_hand_names_the_row_and_the_column(tmp_path: Path) -> None:
    step = prompts_storage(tmp_path, ["a"]).step()
    with pytest.raises(ConfigError, match=r"write\(\): row 2: column `thumb` holds a bytes, .*Leave the column out"):
        step.write([{"a": 1}, {"thumb": b"PNG"}])
    assert not step.target.exists()


ROWS = 3


class Edits:
    """Three pictures and one edit of each."""

    def __init__(self, folder: Path, server: LoopbackServer) -> None:
        self.folder, self.server = folder, server
        self.pictures = [draw(folder / f"{n}.bmp", colour) for n, colour in enumerate(("red", "green", "blue"))]
        rows = [{"images": [str(path)], "conversations": f"edit {n}"} for n, path in enumerate(self.pictures)]
        self.storage = FileStorage(write_rows(folder / "rows.jsonl", rows), folder / "cache")

    def run(self) -> int:
        """One run, request by request; returns how many requests it sent."""
        before = self.server.requests
        serving = APIVLMServing_openai(
            self.server.url, model_name="m", image_io=ImageIO(str(self.folder / "made")), max_workers=1
        )
        PromptedImageEditGenerator(serving).run(self.storage.reset().step())
        return self.server.requests - before

    def right(self) -> list[bool | None]:
        """Whether each row's edit is one of the picture that its file holds now; None where there is no edit."""
        images = ImageIO(str(self.folder))
        found: list[bool | None] = []
        for number, row in enumerate(read_rows(self.storage.current.target)):
            mark = mark_of(f"edit {number}", [images.encoded(row["images"][0])[1]])
            found.append(read_mark(row["edited_images"][0]) == mark if row["edited_images"] else None)
        return found

    def reasons(self) -> list[str]:
        errors = self.storage.current.errors
        return [line["reason"] for line in read_rows(errors)] if errors.exists() else []


def replace(path: Path, colour: str) -> None:
    """Another file under this name, of the same size and with the same times, as an archive unpacks it."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    new = draw(path.with_suffix(".new.bmp"), colour)
    os.utime(new, ns=times)
    new.replace(path)


def overwrite(path: Path, colour: str) -> None:
    """Another content in the same file, of the same size and with the same times."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    draw(path, colour)
    os.utime(path, ns=times)


@pytest.mark.parametrize("change", [replace, overwrite])
def test_another_content_of_the_same_size_and_time_is_asked(
    tmp_path: Path, change: Callable[[Path, str], None]
) -> None:
    with LoopbackServer() as server:
        edits = Edits(tmp_path, server)
        assert (edits.run(), edits.run()) == (3, 0)
        change(edits.pictures[1], "white")
        assert (edits.run(), edits.right()) == (1, [True] * ROWS)
        change(edits.pictures[1], "green")
        assert (edits.run(), edits.right()) == (0, [True] * ROWS), "the first answer to this content is there"


@pytest.mark.parametrize(
    "touch",
    [
        lambda path: os.utime(path, (1, 1)),
        lambda path: path.chmod(0o600),
        lambda path: os.link(path, path.with_suffix(".link")),
        lambda path: replace(path, "green"),
    ],
    ids=["times", "permissions", "a hard link", "a copy"],
)
def test_the_same_content_asks_nothing_and_is_known_again(tmp_path: Path, touch: Callable[[Path], None]) -> None:
    with LoopbackServer() as server:
        edits = Edits(tmp_path, server)
        edits.run()
        touch(edits.pictures[1])
        assert (edits.run(), edits.right()) == (0, [True] * ROWS)
    with Journal.opened(tmp_path / "cache") as journal:
        facts = journal.index.picture(str(edits.pictures[1]))
    assert facts is not None
    assert facts.stamp == stamp_of(edits.pictures[1].stat())


def test_a_content_that_is_known_is_not_decoded_again(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        edits = Edits(tmp_path, server)
        edits.run()
        edits.pictures[1].write_bytes(b"no picture: decoding this would fail the row")
        content = edits.pictures[1].read_bytes()
        with Journal.opened(tmp_path / "cache") as journal:
            known = PictureFacts(len(content), 0, sha256_hex(content), 8, 6)
            journal.index.keep_picture(str(edits.pictures[1]), known)
        edits.run()
    assert "in no format we read" in edits.reasons()[0], "it failed where it was encoded for the request"
    with Journal.opened(tmp_path / "cache") as journal:
        assert journal.index.picture(str(edits.pictures[1])) == known._replace(stamp=stamp_of(edits.pictures[1].stat()))


def test_a_picture_replaced_before_it_is_sent_fails_its_row_alone(tmp_path: Path) -> None:
    def act(asked: Asked) -> Act | None:
        if asked.prompt == "edit 0":
            replace(edits.pictures[2], "black")
        return None

    with LoopbackServer(act_for=act) as server:
        edits = Edits(tmp_path, server)
        assert (edits.run(), edits.right()) == (2, [True, True, None])
        assert edits.reasons() == [f"picture {edits.pictures[2]} changed while the step ran: run it again"]
        replace(edits.pictures[2], "blue")
        server.act_for = None
        assert (edits.run(), edits.right(), edits.reasons()) == (1, [True] * ROWS, [])


def test_a_picture_that_is_back_before_it_is_sent_is_sent(tmp_path: Path) -> None:
    def act(asked: Asked) -> Act | None:
        if asked.prompt != "edit 2":
            replace(edits.pictures[2], {"edit 0": "black", "edit 1": "blue"}[asked.prompt])
        return None

    with LoopbackServer(act_for=act) as server:
        edits = Edits(tmp_path, server)
        assert (edits.run(), edits.right(), edits.reasons()) == (3, [True] * ROWS, [])


def test_a_picture_replaced_after_it_was_sent_fails_its_row_and_the_answer_stays(tmp_path: Path) -> None:
    def act(asked: Asked) -> Act | None:
        if asked.prompt == "edit 1":
            overwrite(edits.pictures[1], "black")
        return None

    with LoopbackServer(act_for=act) as server:
        edits = Edits(tmp_path, server)
        assert (edits.run(), edits.right()) == (3, [True, None, True])
        server.act_for = None
        assert (edits.run(), edits.right()) == (1, [True] * ROWS)
        overwrite(edits.pictures[1], "green")
        assert (edits.run(), edits.right()) == (0, [True] * ROWS)


def test_a_picture_that_was_stored_for_an_answer_is_known_to_later_steps(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        edits = Edits(tmp_path, server)
        edits.run()
        made = [Path(row["edited_images"][0]) for row in read_rows(edits.storage.current.target)]
    replace(made[0], "red")
    with Journal.opened(tmp_path / "cache") as journal:
        known = [journal.index.picture(str(path)) for path in made]
    stamps = [stamp_of(path.stat()) for path in made]
    assert [None if facts is None else facts.sha256 for facts in known[1:]] == [
        sha256_hex(path.read_bytes()) for path in made[1:]
    ]
    assert [facts is not None and facts.stamp == stamp for facts, stamp in zip(known, stamps, strict=True)] == [
        False,
        True,
        True,
    ], "the first is read again where it is used"
