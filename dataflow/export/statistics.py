"""Counts the records that go out, for the card."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from heapq import heappush, heapreplace
from typing import NamedTuple

from dataflow.export.records import Record

_SAMPLES = 8


class Model(NamedTuple):
    """The model that made a picture; empty fields are not known. `kind` is IPTC's digital source type."""

    kind: str
    asked: str
    answered: str
    provider: str
    revision: str
    licence: str


@dataclass(slots=True)
class Statistics:
    """Counts over records, and a few sample records: those whose ids have the smallest digests, the same in every run.

    Attributes:
        records: number of records; a conversation counts once.
        conversations: number of records of several turns.
        masks: number of records with a mask.
        judged: number of records with a verdict.
        scores: sum of all scores, each 0 to 10.
        scored: number of records with a score.
        operations: (group, operation) → records.
        inputs: number of input pictures → records.
        shapes: (width, height) of the result in pixels → records.
        languages: language of a caption → captions.
        licences: licence of the input pictures, as the row names it → records; "": the row names none.
        credits: credit, as the row names it → records.
        models: model → pictures; a picture of two records counts twice.
        judges: (digest of the judge, digest of the rubric) → records.
        lowest: (digest of the judge, digest of the rubric, lowest number of an axis of any turn) → records.
    """

    records: int = 0
    conversations: int = 0
    masks: int = 0
    judged: int = 0
    scores: float = 0.0
    scored: int = 0
    operations: Counter[tuple[str, str]] = field(default_factory=Counter)
    inputs: Counter[int] = field(default_factory=Counter)
    shapes: Counter[tuple[int, int]] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    credits: Counter[str] = field(default_factory=Counter)
    models: Counter[Model] = field(default_factory=Counter)
    judges: Counter[tuple[str, str]] = field(default_factory=Counter)
    lowest: Counter[tuple[str, str, float]] = field(default_factory=Counter)
    _kept: list[tuple[int, int, Record]] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Count one more record."""
        self.records += 1
        self.conversations += bool(record.turns)
        self.masks += record.mask is not None
        self.operations[record.edit_type, record.sub_type] += 1
        self.inputs[len(record.images)] += 1
        self.shapes[record.edited.shape] += 1
        self.languages.update(caption.language for caption in record.captions)
        self.licences[record.licence] += 1
        if record.credit:
            self.credits[record.credit] += 1
        for image in record.all_images():
            by = image.by
            if by.request:
                kind = by.source_type
                self.models[Model(kind, by.asked, by.answered, by.provider, by.revision, by.licence)] += 1
        self._judge(record)
        self._consider_as_sample(record)

    def _judge(self, record: Record) -> None:
        self.judged += record.accepted is not None
        if record.score is not None:
            self.scored += 1
            self.scores += record.score
        verdicts = [turn.verdict for turn in record.turns] or [record.verdict]
        if judge := verdicts[0].get("judge"):
            by = str(judge), str(verdicts[0].get("rubric", ""))
            self.judges[by] += 1
            axes = [number for verdict in verdicts for number in (verdict.get("axes") or {None: None}).values()]
            if all(isinstance(number, int | float) for number in axes):
                self.lowest[(*by, min(axes))] += 1

    def reaching(self, judge: str, rubric: str, threshold: float) -> int:
        """How many records a judge gave at least the threshold on every axis.

        Args:
            judge: digest of the judge.
            rubric: digest of the rubric.
            threshold: 0 to 10.
        """
        return sum(count for by, count in self.lowest.items() if by[:2] == (judge, rubric) and by[2] >= threshold)

    def _consider_as_sample(self, record: Record) -> None:
        digest = hashlib.blake2b(record.id.encode(errors="replace"), digest_size=8).digest()
        rank = -int.from_bytes(
            digest, "big"
        )  # the heap's first entry is its smallest: the sample of the largest digest
        if len(self._kept) < _SAMPLES:
            heappush(self._kept, (rank, self.records, record))
        elif rank > self._kept[0][0]:
            heapreplace(self._kept, (rank, self.records, record))

    @property
    def samples(self) -> list[Record]:
        """The sample records, in the order of the rows."""
        return [record for _, _, record in sorted(self._kept, key=lambda sample: sample[1])]
