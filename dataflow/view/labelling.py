"""Keeps what people say of edits on the page: labels of the edits of a sample, and decisions by hand.

Each label or decision is a line of a labels file, and is on the disk before the page gets its answer. The page never
gets the judge's numbers of a sample, nor the stratum from which an edit was drawn, so that neither sways the label.
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
class SampleOptions:
    """How a sample is drawn; see `dataflow.calibration.sampling.draw_sample`.

    Args:
        count: number of edits.
        threshold: number, 0 to 10, that divides the edits into two strata.
        uniform: draw every edit with the same probability, whatever the judge said of it.
        seed: of the random numbers.
    """

    count: int = COUNT
    threshold: float = THRESHOLD
    uniform: bool = False
    seed: int = 0


def file_of_edits(catalogue: Catalogue) -> Path:
    """The file with the edits of a step: the side output of its tries, or the step's own file if there are no tries.

    Raises:
        ConfigError: a run still writes the file.
    """
    step = catalogue.step
    targets = {side: index.target for side, index in catalogue.indexes.items()}
    path = targets.get(TRIES) or targets.get("") or catalogue.cache_path / f"{step}.jsonl"
    if not path.exists() or path.with_name(f"{path.name}.part").exists():
        raise ConfigError(f"{step} is still being made: edits are drawn once it is complete, so that all may be drawn")
    return path


def draw_edits(catalogue: Catalogue, options: SampleOptions) -> Drawn:
    """Draw a sample of the edits of a step.

    Raises:
        ConfigError: a run still writes the step, or the step has nothing to draw.
        InputError: a row or a picture is broken.
    """
    return draw_sample(
        file_of_edits(catalogue),
        count=options.count,
        threshold=options.threshold,
        seed=options.seed,
        uniform=options.uniform,
        edited=catalogue.shown.edits or EDITED,
        verdict=catalogue.shown.verdict,
    )


def showing_row(catalogue: Catalogue, showing: Showing) -> Row:
    """The values of a showing that the page gets: place of its pictures, and instruction; no number and no verdict.

    Raises:
        LookupError: the file has another row at this place, since its step was made anew.
        InputError: the row cannot be read.
    """
    file, _, line = showing.edit.row.rpartition(":")
    row, columns = catalogue.row(Place(file, int(line))), catalogue.index(file).shown
    edits = columns.edits_of(row)
    if showing.edit.path not in edits:
        raise LookupError(f"{showing.edit.row} has become another row: its step was made anew")
    return {
        "place": showing.edit.row,
        "number": edits.index(showing.edit.path),
        "before": len(columns.inputs_of(row)),
        "instruction": columns.instruction_of(row),
    }


def label_for(showing: Showing, answer: Mapping[str, object]) -> Label:
    """The label of a showing.

    Args:
        showing: of the sample.
        answer: the fields that the page sent: label, reasons, seconds.

    Raises:
        InputError: a field has an unknown form.
    """
    row = {**answer, "kind": LABEL, "picture": showing.picture, "shown": showing.shown}
    label = label_of(row, "what the page sent")
    return replace(label, row=showing.edit.row, path=showing.edit.path, sample=showing.sample)


@dataclass(slots=True)
class Labels:
    """A labels file to which the page adds lines.

    Args:
        path: of the file, which is made with the first line.
    """

    path: Path
    _drawn: dict[tuple[str, SampleOptions], tuple[int, Drawn]] = field(default_factory=dict)
    _by_hand: dict[str, str] = field(default_factory=dict)
    _read: tuple[int, int] = (0, 0)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def sample(self, catalogue: Catalogue, options: SampleOptions) -> Row:
        """The showings of a sample in their order, each with its label if it has one; writes nothing.

        Raises:
            ConfigError: a run still writes the step, or the step has nothing to draw.
            InputError: a row, a picture or the labels file is broken.
        """
        drawn = self._draw(catalogue, options, stamp_of(file_of_edits(catalogue).stat()))
        labels = {(label.picture, label.shown): label for label in read_labels(self.path) if label.kind == LABEL}
        showings: list[JSON] = []
        for showing in drawn.showings:
            label = labels.get((showing.picture, showing.shown))
            before: JSON = None
            if label is not None:
                before = {"label": label.label, "reasons": list(label.reasons), "seconds": label.seconds}
            showings.append({**showing_row(catalogue, showing), "said": before})
        then = shlex.join(["dataflowmm", "calibrate", str(catalogue.cache_path), str(self.path)])
        return {"showings": showings, "labels": str(self.path), "then": then, "left_out": drawn.left_out}

    def add_label(self, catalogue: Catalogue, options: SampleOptions, index: int, answer: Mapping[str, object]) -> None:
        """Label one showing of a sample.

        Args:
            catalogue: of the step.
            options: how the sample was drawn.
            index: number of the showing, from 0.
            answer: the fields that the page sent: label, reasons, seconds, and the `place` of the row that it showed.

        Raises:
            LookupError: the sample has no such showing, or shows another row there, since its step was made anew.
            InputError: a field has an unknown form.
            NotStored: the disk is full or fails.
        """
        showings = self._draw(catalogue, options).showings
        label = label_for(showings[index], answer)
        if showing_row(catalogue, showings[index])["place"] != answer.get("place"):
            raise LookupError("this sample is another one by now, since its step was made anew: reload the page")
        self._copy_labels(showings, index)
        append_label(self.path, label)

    def _copy_labels(self, showings: Sequence[Showing], index: int) -> None:
        """Copy labels of other samples' showings into this sample, up to the showing that is labelled now.

        A label of an edit that both samples drew counts in both. Labels behind the present showing are not copied
        unless nothing remains to be labelled: a person who stops early would leave a sample that has only the edits
        that the other sample drew, too.
        """
        known = {(label.picture, label.shown): label for label in read_labels(self.path) if label.kind == LABEL}
        labels = [known.get((showing.picture, showing.shown)) for showing in showings]
        until = index if None in labels[index + 1 :] else len(labels)
        for showing, label in zip(showings[:until], labels[:until], strict=True):
            if label is not None and showing is not showings[index] and showing.sample not in label.samples:
                append_label(self.path, replace(label, sample=showing.sample))

    def decide(self, catalogue: Catalogue, place: Place, number: int, decision: str) -> None:
        """Accept or reject an edit by hand, or withdraw such a decision.

        Args:
            catalogue: of the step.
            place: of the edit's row.
            number: of the edit in its row, from 0.
            decision: "accept", "reject" or "withdrawn".

        Raises:
            LookupError: there is no such edit.
            InputError: the decision is another word, or the picture cannot be read.
            NotStored: the disk is full or fails.
        """
        names = catalogue.index(place.file).shown.edits_of(catalogue.row(place))
        if number >= len(names):
            raise LookupError(f"{place} has no edit {number}")
        try:
            picture = sha256_of_file(catalogue.rules.resolve(names[number]))
        except OSError as error:
            raise InputError(f"the picture {names[number]} cannot be read: {error.strerror}") from error
        row = {"kind": VERDICT, "picture": picture, "label": decision, "row": str(place), "path": names[number]}
        append_label(self.path, label_of(row, "what the page sent"))

    def by_hand(self, edit: str) -> str:
        """The decision by hand on an edit: "accept", "reject", or "" if there is none.

        Args:
            edit: path of the edit, as its row spells it.
        """
        with self._lock:
            try:
                state = self.path.stat()
            except OSError:
                return ""
            if (state.st_size, state.st_mtime_ns) != self._read:
                self._by_hand = {
                    label.path: label.label
                    for label in read_labels(self.path)
                    if label.kind == VERDICT and label.label != WITHDRAWN
                }
                self._read = state.st_size, state.st_mtime_ns
            return self._by_hand.get(edit, "")

    def _draw(self, catalogue: Catalogue, options: SampleOptions, stamp: int | None = None) -> Drawn:
        """The sample of these options, drawn when it is first asked for.

        Args:
            catalogue: of the step.
            options: how to draw.
            stamp: stamp of the file of edits; a sample of the file with another stamp is drawn anew. None: keep the
                sample that the page shows, whatever became of the file.
        """
        with self._lock:
            key = catalogue.step, options
            found = self._drawn.get(key)
            if found is None or stamp not in (None, found[0]):
                found = stamp_of(file_of_edits(catalogue).stat()), draw_edits(catalogue, options)
                self._drawn[key] = found
            return found[1]
