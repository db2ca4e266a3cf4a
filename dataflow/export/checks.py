"""Checks every record before the first byte of an export is written.

The checks read no pixels. Sizes, digests and dimensions come from the journal's index, or from a picture's header.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from dataflow.errors import ConfigError
from dataflow.export.findings import Findings, Kind
from dataflow.export.formats import Format
from dataflow.export.licences import FORBIDDEN, terms_of
from dataflow.export.records import Bake, Image, Record

Sizes = Literal["refuse", "skip", "pad"]
SIZES: tuple[Sizes, ...] = get_args(Sizes)

_ASPECT_TOLERANCE = 0.01  # of the ratio of width and height: rounding to multiples of 16 pixels changes it by less
_LEAST_SIDE, _SIDE_MULTIPLE = 256, 16  # pixels
_MOST_TOKENS = 512  # Source: max_sequence_length of FLUX.1 Kontext's T5, diffusers
_CHARACTERS_PER_TOKEN = 4  # about, in text of Latin letters; every Chinese character counts as a token of its own

_LATIN = re.compile(r"[\x00-\u024f]")


def read_sizes(text: str) -> Sizes:
    """Read the flag `--sizes`: what becomes of a source whose shape differs from its result's.

    Args:
        text: "refuse" stops the export, "skip" leaves the row out, "pad" puts the source on a white ground.

    Raises:
        ConfigError: the text is none of these.
    """
    for choice in SIZES:
        if text == choice:
            return choice
    raise ConfigError(f"--sizes {text!r}: choose of {', '.join(SIZES)}")


@dataclass(slots=True)
class Checks:
    """Checks each record alone, against earlier records, and against what the formats take.

    Args:
        findings: collects what is wrong.
        formats: the formats that will get the records.
        sizes: see `read_sizes`.
        compare: refuse a record with the pictures or words of an earlier one; false for pairs and tries, which share
            them.

    Attributes:
        skipped: how many records `sizes` "skip" left out.
    """

    findings: Findings
    formats: Sequence[Format]
    sizes: Sizes = "refuse"
    compare: bool = True
    skipped: int = 0
    _pixels: set[int] = field(default_factory=set)
    _words: set[int] = field(default_factory=set)
    _ids: set[int] = field(default_factory=set)

    def passed(self, record: Record) -> Record | None:
        """The record as it goes out, with its source padded under `sizes` "pad"; None if it may not go out."""
        edits = record.apart()
        fitted = [self._fitted(edit, pads=not record.turns) for edit in edits]
        if any(fit is None for fit in fitted):
            self.skipped += self.sizes == "skip"
            return None
        if not record.turns:
            assert fitted[0] is not None
            record = fitted[0]
        if error := next(filter(None, map(self._error_of, edits)), None) or self._repeats(record):
            self.findings.add(*error)
            return None
        self._add_notes(record)
        self._check_formats(record)
        return record

    def _fitted(self, record: Record, *, pads: bool) -> Record | None:
        """The record with a source of its result's shape; None if the shapes differ and the source is not padded.

        Args:
            record: one edit. A record of several inputs is not checked: references may have any shape.
            pads: false for a turn, whose source is the result of another turn.
        """
        if len(record.images) != 1 or _same_shape(record.images[0].shape, record.edited.shape):
            return record
        if self.sizes == "pad" and pads:
            canvas = canvas_of(record.images[0].shape, record.edited.shape)
            mask = None if record.mask is None else padded(record.mask, canvas)
            return replace(record, images=(padded(record.images[0], canvas),), mask=mask)
        if self.sizes != "skip":
            (width, height), (other_width, other_height) = record.images[0].shape, record.edited.shape
            shapes = f"{width} x {height} and {other_width} x {other_height}"
            self.findings.add("aspect", record.place, shapes)
        return None

    @staticmethod
    def _error_of(record: Record) -> tuple[str, str, str] | None:
        """The finding (kind, place, detail) that keeps one edit back, whatever other records are; None: it is fine."""
        for image in record.images:
            if image.sha256 == record.edited.sha256:
                return "no_op", record.place, record.edited.path
        if not record.line:
            return "caption", record.place, "the instruction is empty"
        if (tokens := tokens_of(record.line)) > _MOST_TOKENS:
            return "long", record.place, f"some {tokens:,}: {record.line[:60]}..."
        if terms_of(record.licence) == FORBIDDEN:
            return "licence", record.place, record.licence
        return None

    def _repeats(self, record: Record) -> tuple[str, str, str] | None:
        """The finding of a record that repeats an earlier one's id, pictures or words; None: it is new."""
        if not _is_new(self._ids, record.stem):
            return "same_id", record.place, record.id
        if not self.compare:
            return None
        sources = tuple(image.sha256 for image in record.images)
        results = (*(turn.edited.sha256 for turn in record.turns), record.edited.sha256)
        if not _is_new(self._pixels, sources, results):
            return "same_pixels", record.place, record.edited.path
        words = tuple(
            " ".join(caption.text.casefold().split()) for caption in record.captions[: max(1, len(record.turns))]
        )
        if not _is_new(self._words, sources, words):
            return "same_words", record.place, record.line[:80]
        return None

    def _add_notes(self, record: Record) -> None:
        """Note what users should know of a record that goes out."""
        add, place = self.findings.add, record.place
        shapes = [image.shape for image in record.all_images()]
        if len(record.images) == 1 and record.images[0].shape != record.edited.shape:
            add("size", place)
        if min(map(min, shapes)) < _LEAST_SIDE:
            add("small", place, f"{min(map(min, shapes))} pixels")
        if any(side % _SIDE_MULTIPLE for shape in shapes for side in shape):
            add("odd", place)
        if any(image.bake is not None and not image.bake.mask for image in record.all_images()):
            add("baked", place)
        if record.stem != record.id:
            add("name", place, record.id)
        if "\n" in record.instruction.strip():
            add("lines", place)

    def _check_formats(self, record: Record) -> None:
        """Note which formats refuse the record or one of its turns, and which lose its mask or captions."""
        for form in self.formats:
            for edit in (record,) if form.takes.turns else record.apart():
                if refusal := form.refusal(edit):
                    self.findings.declare(refusal, Kind(refusal, fix=f"--skip leaves them out of {form.name}"))
                    self.findings.add(refusal, edit.place, edit.line[:60])
            if record.mask is not None and not form.takes.masks:
                masked = f"{form.name} takes no masks, and leaves this one out"
                self.findings.declare(masked, Kind(masked, is_error=False))
                self.findings.add(masked, record.place)
        if any(form.takes.captions is not None and form.takes.captions < len(record.captions) for form in self.formats):
            self.findings.add("more_captions", record.place)


def tokens_of(text: str) -> int:
    """An estimate of a text's tokens: a quarter of its Latin letters, and every other character."""
    latin = len(_LATIN.findall(text))
    return latin // _CHARACTERS_PER_TOKEN + len(text) - latin


def canvas_of(source: tuple[int, int], result: tuple[int, int]) -> tuple[int, int]:
    """The least width and height, in pixels, of a canvas of the result's shape on which the whole source has room."""
    (width, height), (wide, high) = source, result
    return max(width, -(-height * wide // high)), max(height, -(-width * high // wide))


def padded(image: Image, canvas: tuple[int, int]) -> Image:
    """The image, to be centred on a canvas of this width and height in pixels."""
    return replace(image, bake=replace(image.bake or Bake(), canvas=canvas))


def _same_shape(first: tuple[int, int], second: tuple[int, int]) -> bool:
    return abs(first[0] * second[1] / (first[1] * second[0]) - 1) <= _ASPECT_TOLERANCE


def _is_new(seen: set[int], *key: object) -> bool:
    """Add a key to the keys that were seen; whether it is new. Keys are kept as hashes of 64 bits, to save memory."""
    digest = hash(key)
    is_new = digest not in seen
    seen.add(digest)
    return is_new
