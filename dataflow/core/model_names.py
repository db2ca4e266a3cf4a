"""Compares names of models: gateways put a vendor before a name, and providers put a date behind it."""

import re

# Dates as providers write them: 2024-08-06, 20240806, 240806, 0806, 05-20, 09-2025, and Google's 001. Not 2511: Qwen
# and Mistral mark other weights with year and month, and no provider writes a day so.
_MONTH, _DAY = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATES = (
    rf"20\d\d-{_MONTH}-{_DAY}", rf"20\d\d{_MONTH}{_DAY}", rf"2\d{_MONTH}{_DAY}", rf"{_MONTH}{_DAY}",
    rf"{_MONTH}-{_DAY}", rf"{_MONTH}-20\d\d", r"00\d",
)  # fmt: skip
_VERSION = re.compile(rf"[-@](latest|{'|'.join(_DATES)})$")
_YEAR_AND_MONTH = re.compile(rf"-2\d{_MONTH}$")
_LATEST = "latest"
_NUMBER_OR_STAGE = re.compile(r"-(?:v?\d+(?:\.\d+)*|preview|exp|experimental)(?=-|$)")
_ZERO = re.compile(r"(?<=\d)-0$")


def bare_name(name: str) -> str:
    """The name of a model in lower case, without a vendor or a path before it.

    For a snapshot in the cache of the hub, `models--vendor--name/snapshots/revision`, it is the name in the folder.
    """
    *folders, last = name.strip().lower().rstrip("/").split("/")
    if folders[1:] and folders[-1] == "snapshots":
        last = folders[-2]
    return last.rpartition("--")[2] if last.startswith("models--") else last


def undated(name: str) -> str:
    """A name, as `bare_name` returns it, without the date at its end."""
    return _VERSION.sub("", name)


def is_same_model(asked: str, answered: str) -> bool:
    """Whether the model that answered is the one that was asked for, as far as their names tell.

    A name without a date fits the same name with any date, and a name without a gateway's tag (`:free`) fits any tag.
    An alias that ends in `-latest` and has no number fits every version, and version 4-0 is version 4.

    Args:
        asked: as the user wrote it.
        answered: as the reply names it.
    """
    (name, date, tag), (replied, replied_date, replied_tag) = _parts(asked), _parts(answered)
    if date == _LATEST:
        date, replied = "", _YEAR_AND_MONTH.sub("", replied)
        if not re.search(r"\d", name):
            replied, replied_date = _NUMBER_OR_STAGE.sub("", replied), ""
    return _ZERO.sub("", name) == _ZERO.sub("", replied) and _agree(date, replied_date) and _agree(tag, replied_tag)


def _parts(name: str) -> tuple[str, str, str]:
    """The name of the model without date and tag, the date, and the tag; the latter two may be empty."""
    bare = bare_name(name)
    if bare.startswith("ft:"):  # a fine-tuned model at OpenAI, whose name is all of this
        return bare, "", ""
    bare, _, tag = bare.partition(":")
    found = _VERSION.search(bare)
    return undated(bare), "" if found is None else found[1], tag


def _agree(first: str, second: str) -> bool:
    """Whether two dates, or two tags, can be of one model: a missing one fits any."""
    return first == second or first in ("", _LATEST) or second in ("", _LATEST)
