"""A picture is its content: whatever its size and times say, and however often its file was replaced."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.core.records import PictureFacts
from dataflow.io import ImageIO
from dataflow.journal.journal import Journal
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.files import sha256_hex, stamp_of
from dataflow.utils.storage import FileStorage
from tests.kit.drawing import mark_of, read_mark
from tests.kit.flow import draw, read_rows, write_rows
from tests.kit.loopback import Act, Asked, LoopbackServer

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
