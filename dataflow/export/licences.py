"""Decides by the names of input pictures' licences which rows may go out, and which may lie in one export.

An edit is a derivative, so a licence without derivatives forbids it. Rows whose licence forbids selling go out only
together: beside rows that may be sold they would bind the whole export, and nobody would see it. The same holds for
rows that name no licence.
"""

import re
from collections import Counter

from dataflow.export.findings import FIRST, Findings
from dataflow.export.records import Record

_NO_SALE_WORDS = re.compile(
    r"\bnc\b|\b(non|no|not|not for)[- ]?commercial|personal[- ]use|editorial|academic|\bnon[- ]profit"
    r"|(research|educational|evaluation)([- ]use)?[- ]only"
    r"|非商|非营利|(禁止|不得|不可)(用于)?商|仅[供限](研究|学习|学术|科研|个人)"
)
_FORBIDDEN_WORDS = re.compile(
    r"\bnd\b|no[- ]?deriv|all rights reserved|proprietary|copyrighted|©|\bno[- ]?(ai|training)\b"
    r"|(禁止|不得|不可)(演绎|修改|改编|改作|训练)|版权所有|保留所有权利"
)
_UNKNOWN_WORDS = re.compile(r"(unknown|other|none|null|nan|n/?a|tbd|unspecified|not specified|未知|不明|[\W\d_]*)")
"""Words that name no licence. A bare number does not either: it is an index into a list such as COCO's."""

FREE, NOT_FOR_SALE, FORBIDDEN, UNKNOWN = "free", "not for sale", "forbidden", "unknown"


def terms_of(licence: str) -> str:
    """What a licence allows: FREE, NOT_FOR_SALE, FORBIDDEN (no derivatives) or UNKNOWN."""
    words = licence.lower().replace("_", "-").strip()
    if _UNKNOWN_WORDS.fullmatch(words):
        return UNKNOWN
    if _FORBIDDEN_WORDS.search(words):
        return FORBIDDEN
    return NOT_FOR_SALE if _NO_SALE_WORDS.search(words) else FREE


class Licences:
    """Keeps licences apart that may not lie in one export; `note` every record before the first `allow`.

    Args:
        findings: collects the rows that may not go out.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._counts: Counter[str] = Counter()
        self._first: dict[str, list[str]] = {}

    def note(self, record: Record) -> None:
        """Count the licence of a record."""
        terms = terms_of(record.licence)
        self._counts[terms] += 1
        if self._counts[terms] <= FIRST:
            named = f": {record.licence}" if record.licence else ""
            self._first.setdefault(terms, []).append(f"{record.place}{named}")

    @property
    def are_mixed(self) -> bool:
        """Whether the records' licences allow different things."""
        return len(+self._counts) > 1

    def allow(self, record: Record) -> bool:
        """Whether a record may lie in one export with all records noted; a finding says why not."""
        terms = terms_of(record.licence)
        if terms == NOT_FOR_SALE and self._counts[FREE]:
            self._findings.add("mixed_licence", record.place, record.licence)
            return False
        if terms == UNKNOWN and self.are_mixed:
            self._findings.add("some_licence", record.place)
            return False
        return True

    def report(self) -> None:
        """Add a finding on licences that all records share: they forbid selling, or none is named."""
        if not self.are_mixed:
            for terms, kind in ((NOT_FOR_SALE, "sale"), (UNKNOWN, "no_licence")):
                if self._counts[terms]:
                    self._findings.add_all(kind, self._counts[terms], self._first[terms])
