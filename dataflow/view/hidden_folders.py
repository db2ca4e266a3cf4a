"""Takes the folders of this machine out of what is sent to somebody: of a path its last name stays.

Paths come in by reasons, critiques, the words of providers and columns such as `source`. Folders that are known are
found whatever their names hold; of others a path is taken for one that begins like one, with spaces in its folders too.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath

from dataflow.core.records import JSON
from dataflow.errors import plain

_AS_IT_IS = ("instruction",)  # what somebody wrote for a model; only folders that are known go out of it
# Words that stand between two paths in a sentence, and in no folder's name that is not known.
_BETWEEN = "nor|or|and|but|has|is|are|was|cannot|could|in|at|beside|of|to|from|with|which|not"
_NAME = rf"[^\s/'\"`<>]+(?:(?<![),;:.\]}}]) (?!(?:{_BETWEEN})\b)[^\s/'\"`<>,;()\[\]{{}}=]+){{0,5}}"
# It begins a word, or stands after a character of a script without spaces and has a Latin letter.
_BEGIN = r"(?:\bfile://|(?<![^\s'\"`(\[{=:,;|])|(?<=[^\x00-\x7f])(?=~?/[A-Za-z]))"
_FOLDERS = re.compile(rf"{_BEGIN}(?:(?:~|\.{{1,2}}(?:/\.\.)*)/(?:{_NAME}/)*|/(?:{_NAME}/)+)(?=[^\s/'\"`<>])")
_BELOW = rf"(?P<below>/(?:{_NAME}/)*(?=[^\s/'\"`<>]))"
_END = r"(?=[^\w.-]|\.?(?:\s|$))"


def hiding(folders: Iterable[PurePath], files: Iterable[str] = ()) -> Callable[[JSON], JSON]:
    """What makes of a value the same without folders.

    Args:
        folders: that are known, such as the cache directory's.
        files: paths that rows name, as they name them.
    """
    home = PurePath(os.path.expanduser("~"))  # noqa: PTH111 - a user without one has "~"
    names = {path: PurePath(path).name for path in files if "/" in path}
    names |= {str(each): each.name for each in folders if len(each.parts) > 2}
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
            return {name: hide(each, name) for name, each in value.items()}
        return [hide(each) for each in value] if isinstance(value, list | tuple) else value

    return hide
