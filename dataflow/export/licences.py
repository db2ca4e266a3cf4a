"""What the licences of input pictures allow, as far as their names tell, and which rows may lie in one export.

An edit is a derivative, so a licence without derivatives forbids it. One that forbids selling goes out among its like;
beside others it would bind them all, and nobody would see it. The same holds for pictures of which nothing is known.
"""

import re
from collections import Counter

from dataflow.export.findings import FIRST, Findings
from dataflow.export.records import Record

_NOT_FOR_SALE = re.compile(
    r"\bnc\b|\b(non|no|not|not for)[- ]?commercial|personal[- ]use|editorial|academic|\bnon[- ]profit"
    r"|(research|educational|evaluation)([- ]use)?[- ]only"
    r"|非商|非营利|(禁止|不得|不可)(用于)?商|仅[供限](研究|学习|学术|科研|个人)"
)
_FORBIDS = re.compile(
    r"\bnd\b|no[- ]?deriv|all rights reserved|proprietary|copyrighted|©|\bno[- ]?(ai|training)\b"
    r"|(禁止|不得|不可)(演绎|修改|改编|改作|训练)|版权所有|保留所有权利"
)
_UNKNOWN = re.compile(r"(unknown|other|none|null|nan|n/?a|tbd|unspecified|not specified|未知|不明|[\W\d_]*)")
"""A number names no licence: it counts in a list of its own, such as Flickr's or COCO's."""

FREE, FOR_NO_SALE, FORBIDDEN, UNKNOWN = "free", "not for sale", "forbidden", "unknown"


def stand_of(licence: str) -> str:
    """What a licence allows: FREE, FOR_NO_SALE, FORBIDDEN (no derivatives) or UNKNOWN."""
    words = licence.lower().replace("_", "-").strip()
    if _UNKNOWN.fullmatch(words):
        return UNKNOWN
    if _FORBIDS.search(words):
        return FORBIDDEN
    return FOR_NO_SALE if _NOT_FOR_SALE.search(words) else FREE


class Licences:
    """First told all records, then asked about them, if some may not lie beside others.

    Args:
        findings: get what is the matter.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._counts: Counter[str] = Counter()
        self._first: dict[str, list[str]] = {}

    def note(self, record: Record) -> None:
        """A record may go out."""
        stand = stand_of(record.licence)
        self._counts[stand] += 1
        if self._counts[stand] <= FIRST:
            said = f": {record.licence}" if record.licence else ""
            self._first.setdefault(stand, []).append(f"{record.place}{said}")

    @property
    def part(self) -> bool:
        """Whether some records may not lie beside others."""
        return len(+self._counts) > 1

    def allow(self, record: Record) -> bool:
        """Whether a record may lie beside the others."""
        stand = stand_of(record.licence)
        if stand == FOR_NO_SALE and self._counts[FREE]:
            self._findings.add("mixed_licence", record.place, record.licence)
            return False
        if stand == UNKNOWN and self.part:
            self._findings.add("some_licence", record.place)
            return False
        return True

    def tell(self) -> None:
        """Say what all records have in common."""
        if not self.part:
            for stand, kind in ((FOR_NO_SALE, "sale"), (UNKNOWN, "no_licence")):
                if self._counts[stand]:
                    self._findings.add_all(kind, self._counts[stand], self._first[stand])
