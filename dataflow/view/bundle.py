"""Makes the page one HTML file with its modules, its style and its content inside, so that it loads nothing.

A policy in the file names the digests of that script and that style, so nothing else runs, whatever a row holds.
"""

import base64
import hashlib
import re
from pathlib import Path

from dataflow.utils.row_json import dump_value

PAGE = Path(__file__).with_name("page")
_MAIN = "app.js"
# The page's modules import and export in these two forms alone, which tests/view/test_bundle.py checks.
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([\w.]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const) (\w+))", re.MULTILINE)


def bundle(content: object, *, title: str) -> bytes:
    """The bytes of the page with its content.

    Args:
        content: the value that `source.js` reads from the page instead of asking a server; it becomes JSON.
        title: of the page until its script has set another one.
    """
    script, style = _script(), (PAGE / "style.css").read_text(encoding="utf-8")
    # Within a script element only "<" could end it, and JSON may write it as an escape.
    data = dump_value(content).decode("utf-8", "replace").replace("<", "\\u003c")
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; img-src data: blob:; "
        f"base-uri 'none'; form-action 'none'"
    )
    name = title.replace("&", "&amp;").replace("<", "&lt;")
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name}</title>
<link rel="icon" href="{icon()}">
<style>{style}</style>
</head>
<body><script type="application/json" id="held">{data}</script><script type="module">{script}</script></body>
</html>
"""
    return page.encode("utf-8", "replace")


def icon() -> str:
    """The page's icon as a data address."""
    return f"data:image/svg+xml;base64,{base64.b64encode((PAGE / 'icon.svg').read_bytes()).decode()}"


def _script() -> str:
    """All modules as one script, in the order of their imports; each is a function that returns its exports."""
    parts: dict[str, str] = {}
    _add(_MAIN, parts)
    return "\n".join(["const modules = {};", *parts.values()])


def _add(name: str, parts: dict[str, str]) -> None:
    text = (PAGE / name).read_text(encoding="utf-8")
    for _, other in _IMPORT.findall(text):
        if other not in parts:
            _add(other, parts)
    names = ", ".join(name for _, name in _EXPORT.findall(text))
    code = _EXPORT.sub(r"\1", _IMPORT.sub(r'const \1 = modules["\2"];', text))
    parts[name] = code if name == _MAIN else f'modules["{name}"] = (() => {{\n{code}\nreturn {{ {names} }};\n}})();'


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
