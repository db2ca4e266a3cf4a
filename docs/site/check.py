"""Fail where a page of the built site would fetch anything from elsewhere as soon as a browser shows it.

Fail as well where a signature shows the name of a constant in place of its value, which a reader cannot look up.
"""

import re
import sys
from pathlib import Path

SITE = Path(__file__).parents[2] / "build" / "docs"
_ELSEWHERE = r"""=["']?(?:https?:)?//[^>]*>"""
_LOADED = re.compile(
    rf"<(?:script|img|iframe|source|audio|video)\b[^>]*\b(?:src|srcset|poster){_ELSEWHERE}"
    rf"|<link\b(?![^>]*\brel=[\"']?(?:canonical|alternate))[^>]*\bhref{_ELSEWHERE}"
)
_IN_STYLES = re.compile(r"""(?:@import\s*|url\()\s*["']?(?:https?:)?//[^"')]*""")

_NAMED = re.compile(
    r'<span class="o">=</span> ?(?:<span class="p">\(</span>)?<span class="n">(?:<(?:a|span)\b[^>]*>)?(_?[A-Z][A-Z_]+)<'
)
_TOO_LONG = {"LIMITS"}
"""Constants without a short text, which the docstrings of their parameters explain."""


def loaded_from_elsewhere(site: Path) -> list[str]:
    """`file: what it loads`, for each html file and style sheet below a folder that loads something by an address."""
    found = []
    for path in sorted(site.rglob("*.html")) + sorted(site.rglob("*.css")):
        pattern = _LOADED if path.suffix == ".html" else _IN_STYLES
        found += [f"{path.relative_to(site)}: {match[0]}" for match in pattern.finditer(path.read_text("utf-8"))]
    return found


def defaults_without_value(site: Path) -> list[str]:
    """`file: name` for each default in a signature of the reference that is shown as a constant's name."""
    return [
        f"{path.relative_to(site)}: {name}"
        for path in sorted((site / "reference").rglob("*.html"))
        for name in _NAMED.findall(path.read_text("utf-8"))
        if name not in _TOO_LONG
    ]


if __name__ == "__main__":
    sys.exit("\n".join(loaded_from_elsewhere(SITE) + defaults_without_value(SITE)) or 0)
