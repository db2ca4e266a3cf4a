"""What somebody says of edits on the page: samples that are drawn to be labelled, and decisions by hand.

Each is a line of a labels file, on the disk before the page is answered. The page never gets the judge's numbers of a
sample, nor from which part an edit was drawn.
"""

import shlex
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dataflow.calibration.edits import EDITED
from dataflow.calibration.labels import LABEL, VERDICT, WITHDRAWN, Label, append_label, label_of, read_labels
from dataflow.calibration.sampling import Drawn, Showing, draw_sample
from dataflow.core.records import JSON, Row
from dataflow.errors import ConfigError, InputError
from dataflow.judging.tries import TRIES
from dataflow.judging.verdict import THRESHOLD
from dataflow.utils.files import sha256_of_file, stamp_of
from dataflow.view.catalogue import Catalogue, Place

COUNT = 100


@dataclass(frozen=True, slots=True)
class Draw:
    """What is drawn, as `draw_sample` says.

    Args:
        count: edits.
        threshold: that parts them.
        uniform: all alike.
        seed: of the drawing.
    """

    count: int = COUNT
    threshold: float = THRESHOLD
    uniform: bool = False
    seed: int = 0


def drawn_from(catalogue: Catalogue) -> Path:
    """The file with the edits of a step: that of its tries, else its own.

    Raises:
        ConfigError: the step is still being made.
    """
    step = catalogue.step
    targets = {side: index.target for side, index in catalogue.indexes.items()}
    path = targets.get(TRIES) or targets.get("") or catalogue.cache_path / f"{step}.jsonl"
    if not path.exists() or path.with_name(f"{path.name}.part").exists():
        raise ConfigError(f"{step} is still being made: edits are drawn once it is complete, so that all may be drawn")
    return path


def draw(catalogue: Catalogue, how: Draw) -> Drawn:
    """Draw from the edits of a step.

    Raises:
        ConfigError, InputError: as `drawn_from` and `draw_sample` say.
    """
    return draw_sample(
        drawn_from(catalogue),
        count=how.count,
        threshold=how.threshold,
        seed=how.seed,
        uniform=how.uniform,
        edited=catalogue.shown.edits or EDITED,
        verdict=catalogue.shown.verdict,
    )


def shown(catalogue: Catalogue, showing: Showing) -> Row:
    """A showing as whoever labels it sees it: pictures and words, no number and no verdict.

    Raises:
        LookupError, InputError: its row is not there any more.
    """
    file, _, line = showing.edit.row.rpartition(":")
    row, columns = catalogue.row(Place(file, int(line))), catalogue.index(file).shown
    edits = columns.after(row)
    if showing.edit.path not in edits:
        raise LookupError(f"{showing.edit.row} has become another row: its step was made anew")
    return {
        "place": showing.edit.row,
        "number": edits.index(showing.edit.path),
        "before": len(columns.before(row)),
        "instruction": columns.said(row),
    }


def label_for(showing: Showing, said: Mapping[str, object]) -> Label:
    """What somebody said of a showing.

    Raises:
        InputError: a field holds something else.
    """
    row = {**said, "kind": LABEL, "picture": showing.picture, "shown": showing.shown}
    label = label_of(row, "what the page sent")
    return replace(label, row=showing.edit.row, path=showing.edit.path, sample=showing.sample)


@dataclass(slots=True)
class Labels:
    """A labels file that grows by what is said on the page.

    Args:
        path: of the file; it is made at the first word.
    """

    path: Path
    _drawn: dict[tuple[str, Draw], tuple[int, Drawn]] = field(default_factory=dict)
    _by_hand: dict[str, str] = field(default_factory=dict)
    _read: tuple[int, int] = (0, 0)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def sample(self, catalogue: Catalogue, how: Draw) -> Row:
        """The showings of a sample in their order, each with what was said of it before.

        Raises:
            ConfigError, InputError: as `draw_sample` and `read_labels` say.
        """
        drawn = self._draw(catalogue, how, stamp_of(drawn_from(catalogue).stat()))
        said = {(each.picture, each.shown): each for each in read_labels(self.path) if each.kind == LABEL}
        showings: list[JSON] = []
        for showing in drawn.showings:
            label = said.get((showing.picture, showing.shown))
            before: JSON = None
            if label is not None:
                before = {"label": label.label, "reasons": list(label.reasons), "seconds": label.seconds}
            showings.append({**shown(catalogue, showing), "said": before})
        then = shlex.join(["dataflowmm", "calibrate", str(catalogue.cache_path), str(self.path)])
        return {"showings": showings, "labels": str(self.path), "then": then, "left_out": drawn.left_out}

    def say(self, catalogue: Catalogue, how: Draw, at: int, said: Mapping[str, object]) -> None:
        """Label one showing of a sample.

        Args:
            catalogue: of the step.
            how: it was drawn.
            at: number of the showing, from 0.
            said: the label, and the `place` of the row that is spoken of.

        Raises:
            LookupError: the sample has no such showing, or another row there: its step was made anew.
            InputError: a field holds something else.
            NotStored: the disk does not take it.
        """
        showings = self._draw(catalogue, how).showings
        label = label_for(showings[at], said)
        if shown(catalogue, showings[at])["place"] != said.get("place"):
            raise LookupError("this sample is another one by now, since its step was made anew: reload the page")
        self._carry(showings, at)
        append_label(self.path, label)

    def _carry(self, showings: Sequence[Showing], at: int) -> None:
        """Put into this sample what was said of its edits for others, as far as somebody went through it.

        Further would be wrong: who stops early would leave a sample in which those of the other are too many.
        """
        known = {(each.picture, each.shown): each for each in read_labels(self.path) if each.kind == LABEL}
        said = [known.get((each.picture, each.shown)) for each in showings]
        until = at if None in said[at + 1 :] else len(said)
        for showing, label in zip(showings[:until], said[:until], strict=True):
            if label is not None and showing is not showings[at] and showing.sample not in label.samples:
                append_label(self.path, replace(label, sample=showing.sample))

    def decide(self, catalogue: Catalogue, place: Place, number: int, said: str) -> None:
        """Accept or reject an edit by hand, or withdraw that.

        Raises:
            LookupError: there is no such edit.
            InputError: it is none of these words, or the picture cannot be read.
            NotStored: the disk does not take it.
        """
        names = catalogue.index(place.file).shown.after(catalogue.row(place))
        if number >= len(names):
            raise LookupError(f"{place} has no edit {number}")
        try:
            picture = sha256_of_file(catalogue.rules.resolve(names[number]))
        except OSError as error:
            raise InputError(f"the picture {names[number]} cannot be read: {error.strerror}") from error
        row = {"kind": VERDICT, "picture": picture, "label": said, "row": str(place), "path": names[number]}
        append_label(self.path, label_of(row, "what the page sent"))

    def by_hand(self, edit: str) -> str:
        """What was decided of an edit, by its path as its row has it: accept, reject or nothing."""
        with self._lock:
            try:
                state = self.path.stat()
            except OSError:
                return ""
            if (state.st_size, state.st_mtime_ns) != self._read:
                self._by_hand = {
                    each.path: each.label
                    for each in read_labels(self.path)
                    if each.kind == VERDICT and each.label != WITHDRAWN
                }
                self._read = state.st_size, state.st_mtime_ns
            return self._by_hand.get(edit, "")

    def _draw(self, catalogue: Catalogue, how: Draw, stamp: int | None = None) -> Drawn:
        """What was drawn before, or draw.

        Args:
            catalogue: of the step.
            how: to draw.
            stamp: of the file as it is now: what was drawn from it as it was before is no matter; None: it is.
        """
        with self._lock:
            key = catalogue.step, how
            found = self._drawn.get(key)
            if found is None or stamp not in (None, found[0]):
                found = stamp_of(drawn_from(catalogue).stat()), draw(catalogue, how)
                self._drawn[key] = found
            return found[1]
