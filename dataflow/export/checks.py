"""The checks of one record after another, before a byte is written.

They read no pixels: sizes, digests and dimensions are those that the journal's index knows, or that a picture's header
shows.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from dataflow.errors import ConfigError
from dataflow.export.findings import Findings, Kind
from dataflow.export.formats import Format
from dataflow.export.licences import FORBIDDEN, stand_of
from dataflow.export.records import Bake, Image, Record

Sizes = Literal["refuse", "skip", "pad"]
SIZES: tuple[Sizes, ...] = get_args(Sizes)

_ASPECT = 0.01
_SMALL, _STEP = 256, 16  # pixels
_MOST_TOKENS = 512  # Source: max_sequence_length of FLUX.1 Kontext's T5, diffusers
_CHARACTERS = 4  # of a token in text of Latin letters, about; a Chinese character is one

_LATIN = re.compile(r"[\x00-\u024f]")


def read_sizes(text: str) -> Sizes:
    """What becomes of sources of another shape than their result.

    Raises:
        ConfigError: it is said otherwise.
    """
    for each in SIZES:
        if text == each:
            return each
    raise ConfigError(f"--sizes {text!r}: choose of {', '.join(SIZES)}")


@dataclass(slots=True)
class Checks:
    """Checks records against themselves, against earlier ones, and against formats.

    Args:
        findings: get what is the matter.
        formats: that will be given the records.
        sizes: see `read_sizes`.
        compare: whether two records of the same pictures or words are one too many; not so of pairs and tries.
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
        """The record as it goes out, its sources padded where that is asked for; None: it may not go out."""
        parts = record.apart()
        fitted = [self._fitted(each, pads=not record.turns) for each in parts]
        if any(each is None for each in fitted):
            self.skipped += self.sizes == "skip"
            return None
        if not record.turns:
            assert fitted[0] is not None
            record = fitted[0]
        if error := next(filter(None, map(self._error_of, parts)), None) or self._repeats(record):
            self.findings.add(*error)
            return None
        self._note(record)
        self._offer(record)
        return record

    def _fitted(self, record: Record, *, pads: bool) -> Record | None:
        """With the source on a canvas of the result's shape; None: it is of another shape, and that will not do."""
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
        """What is the matter with one edit alone."""
        for each in record.images:
            if each.sha256 == record.edited.sha256:
                return "no_op", record.place, record.edited.path
        if not record.line:
            return "caption", record.place, "the instruction is empty"
        if (tokens := tokens_of(record.line)) > _MOST_TOKENS:
            return "long", record.place, f"some {tokens:,}: {record.line[:60]}..."
        if stand_of(record.licence) == FORBIDDEN:
            return "licence", record.place, record.licence
        return None

    def _repeats(self, record: Record) -> tuple[str, str, str] | None:
        """Whether an earlier record is the same in some way."""
        if not _is_new(self._ids, record.stem):
            return "same_id", record.place, record.id
        if not self.compare:
            return None
        sources = tuple(each.sha256 for each in record.images)
        results = (*(each.edited.sha256 for each in record.turns), record.edited.sha256)
        if not _is_new(self._pixels, sources, results):
            return "same_pixels", record.place, record.edited.path
        words = tuple(" ".join(each.text.casefold().split()) for each in record.captions[: max(1, len(record.turns))])
        if not _is_new(self._words, sources, words):
            return "same_words", record.place, record.line[:80]
        return None

    def _note(self, record: Record) -> None:
        """What is worth a word and stops nothing."""
        add, place = self.findings.add, record.place
        shapes = [each.shape for each in record.all_images()]
        if len(record.images) == 1 and record.images[0].shape != record.edited.shape:
            add("size", place)
        if min(map(min, shapes)) < _SMALL:
            add("small", place, f"{min(map(min, shapes))} pixels")
        if any(side % _STEP for shape in shapes for side in shape):
            add("odd", place)
        if any(each.bake is not None and not each.bake.mask for each in record.all_images()):
            add("baked", place)
        if record.stem != record.id:
            add("name", place, record.id)
        if "\n" in record.instruction.strip():
            add("lines", place)

    def _offer(self, record: Record) -> None:
        """Ask each format whether it takes the record, whole or in parts."""
        for form in self.formats:
            for each in (record,) if form.takes.turns else record.apart():
                if refusal := form.refusal(each):
                    self.findings.declare(refusal, Kind(refusal, fix=f"--skip leaves them out of {form.name}"))
                    self.findings.add(refusal, each.place, each.line[:60])
            if record.mask is not None and not form.takes.masks:
                masked = f"{form.name} takes no masks, and leaves this one out"
                self.findings.declare(masked, Kind(masked, is_error=False))
                self.findings.add(masked, record.place)
        if any(form.takes.captions is not None and form.takes.captions < len(record.captions) for form in self.formats):
            self.findings.add("more_captions", record.place)


def tokens_of(text: str) -> int:
    """About how many tokens a text has, by its letters."""
    latin = len(_LATIN.findall(text))
    return latin // _CHARACTERS + len(text) - latin


def canvas_of(source: tuple[int, int], result: tuple[int, int]) -> tuple[int, int]:
    """The least width and height of a ground of the result's shape on which the source lies whole, in pixels."""
    (width, height), (wide, high) = source, result
    return max(width, -(-height * wide // high)), max(height, -(-width * high // wide))


def padded(image: Image, canvas: tuple[int, int]) -> Image:
    """The image on a canvas."""
    return replace(image, bake=replace(image.bake or Bake(), canvas=canvas))


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= _ASPECT


def _is_new(seen: set[int], *key: object) -> bool:
    """Whether a key was not there yet; 64 bits of it are kept."""
    digest = hash(key)
    is_new = digest not in seen
    seen.add(digest)
    return is_new
