"""Removes the folders of this machine from a report that is sent to somebody: of each path the last name stays.

Paths stand in reasons, critiques, replies of providers and columns such as `source`. Known folders are found whatever
characters their names have. Any other text that begins like a path counts as one, and its folders may have spaces.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath

from dataflow.core.records import JSON
from dataflow.errors import plain

_AS_IT_IS = ("instruction",)  # columns with words for a model, of which only known folders are removed
# Words between two paths in a sentence: an unknown folder whose name has one of them, between spaces, is cut there.
_BETWEEN = "nor|or|and|but|has|is|are|was|cannot|could|in|at|beside|of|to|from|with|which|not"
_NAME = rf"[^\s/'\"`<>]+(?:(?<![),;:.\]}}]) (?!(?:{_BETWEEN})\b)[^\s/'\"`<>,;()\[\]{{}}=]+){{0,5}}"
# A path begins a word, or follows a character of a script without spaces and begins with a Latin letter.
_BEGIN = r"(?:\bfile://|(?<![^\s'\"`(\[{=:,;|])|(?<=[^\x00-\x7f])(?=~?/[A-Za-z]))"
_FOLDERS = re.compile(rf"{_BEGIN}(?:(?:~|\.{{1,2}}(?:/\.\.)*)/(?:{_NAME}/)*|/(?:{_NAME}/)+)(?=[^\s/'\"`<>])")
_BELOW = rf"(?P<below>/(?:{_NAME}/)*(?=[^\s/'\"`<>]))"
_END = r"(?=[^\w.-]|\.?(?:\s|$))"


def folder_hider(folders: Iterable[PurePath], files: Iterable[str] = ()) -> Callable[[JSON], JSON]:
    """Make a function that removes folders from a JSON value.

    Args:
        folders: known folders, such as the cache directory.
        files: paths of pictures, as rows spell them.
    """
    home = PurePath(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises for a user without a home
    names = {path: PurePath(path).name for path in files if "/" in path}
    names |= {str(folder): folder.name for folder in folders if len(folder.parts) > 2}
    names |= {str(home): "~"} if len(home.parts) > 1 else {}
    spelled = {form: name for path, name in names.items() for form in (path, plain(path), repr(path)[1:-1])}
    longest_first = sorted(spelled, key=len, reverse=True)
    known = re.compile(rf"(?P<known>{'|'.join(map(re.escape, longest_first)) or '(?!)'})(?:{_BELOW}|{_END})", re.ASCII)

    def name_of(found: re.Match[str]) -> str:
        return "" if found["below"] else spelled[found["known"]]

    def hide(value: JSON, column: str = "") -> JSON:
        if isinstance(value, str):
            text = known.sub(name_of, value) if "/" in value else value
            return text if column in _AS_IT_IS else _FOLDERS.sub("", text)
        if isinstance(value, Mapping):
            return {name: hide(item, name) for name, item in value.items()}
        return [hide(item) for item in value] if isinstance(value, list | tuple) else value

    return hide
