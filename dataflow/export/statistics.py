"""What goes out, counted record by record for the card."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from heapq import heappush, heapreplace
from typing import NamedTuple

from dataflow.export.records import Record

_SAMPLES = 8


class Model(NamedTuple):
    """Who made pictures, and of which kind; empty fields are not known."""

    kind: str
    asked: str
    answered: str
    provider: str
    revision: str
    licence: str


@dataclass(slots=True)
class Statistics:
    """Counts over records, and a few of them to be shown: those with the least digests, the same in every run.

    Attributes:
        records: conversations count once.
        conversations: records of several turns.
        masks: records with one.
        judged: records with a verdict.
        scores: their sum, of those that have one.
        scored: how many have one.
        operations: (group, operation) → records.
        inputs: number of input pictures → records.
        shapes: (width, height) of results → records.
        languages: of captions → captions.
        licences: of the inputs, as rows say → records; "" is those that name none.
        credits: as rows say.
        models: who made pictures → pictures, each file of a record counted.
        judges: (digest of the judge, digest of the rubric) → records.
        lowest: the same and the least number of an axis of any turn → records.
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
    _samples: list[tuple[int, int, Record]] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """One more record."""
        self.records += 1
        self.conversations += bool(record.turns)
        self.masks += record.mask is not None
        self.operations[record.edit_type, record.sub_type] += 1
        self.inputs[len(record.images)] += 1
        self.shapes[record.edited.shape] += 1
        self.languages.update(each.language for each in record.captions)
        self.licences[record.licence] += 1
        if record.credit:
            self.credits[record.credit] += 1
        for image in record.all_images():
            by = image.by
            if by.request:
                kind = by.source_type
                self.models[Model(kind, by.asked, by.answered, by.provider, by.revision, by.licence)] += 1
        self._judge(record)
        self._offer(record)

    def _judge(self, record: Record) -> None:
        self.judged += record.accepted is not None
        if record.score is not None:
            self.scored += 1
            self.scores += record.score
        verdicts = [each.verdict for each in record.turns] or [record.verdict]
        if judge := verdicts[0].get("judge"):
            by = str(judge), str(verdicts[0].get("rubric", ""))
            self.judges[by] += 1
            axes = [at for each in verdicts for at in (each.get("axes") or {None: None}).values()]
            if all(isinstance(at, int | float) for at in axes):
                self.lowest[(*by, min(axes))] += 1

    def reaching(self, judge: str, rubric: str, at: float) -> int:
        """Records that a judge gave so much on every axis."""
        return sum(count for by, count in self.lowest.items() if by[:2] == (judge, rubric) and by[2] >= at)

    def _offer(self, record: Record) -> None:
        digest = hashlib.blake2b(record.id.encode(errors="replace"), digest_size=8).digest()
        rank = -int.from_bytes(digest, "big")
        if len(self._samples) < _SAMPLES:
            heappush(self._samples, (rank, self.records, record))
        elif rank > self._samples[0][0]:
            heapreplace(self._samples, (rank, self.records, record))

    @property
    def samples(self) -> list[Record]:
        """A few records, whatever their operation, in the order of the rows."""
        return [record for _, _, record in sorted(self._samples, key=lambda each: each[1])]
