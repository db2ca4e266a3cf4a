"""Whether two names are of one model: gateways put a vendor before a name, and providers a date behind it."""

import re

# Dates as providers write them: 2024-08-06, 20240806, 240806, 0806, 05-20, 09-2025, and Google's 001. No 2511: what
# Qwen and Mistral mark with year and month are other weights, and no day is written so.
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
    """A model's name in small letters, without a vendor or a path before it.

    A snapshot in the hub's cache, `models--vendor--name/snapshots/revision`, is the model of its folder.
    """
    *folders, last = name.strip().lower().rstrip("/").split("/")
    if folders[1:] and folders[-1] == "snapshots":
        last = folders[-2]
    return last.rpartition("--")[2] if last.startswith("models--") else last


def undated(name: str) -> str:
    """A bare name without the date at its end."""
    return _VERSION.sub("", name)


def is_same_model(asked: str, answered: str) -> bool:
    """Whether the model that answered is the one that was asked for, as far as their names tell.

    A name without a date, or without a gateway's tag (`:free`), says less than one with it, and nothing else. An alias
    that ends in `-latest` and has no number names whichever is the newest, and 4-0 is the 4 that came first.

    Args:
        asked: as the user wrote it.
        answered: as the reply names it.
    """
    (name, version, tag), (other, other_version, other_tag) = _parts(asked), _parts(answered)
    if version == _LATEST:
        version, other = "", _YEAR_AND_MONTH.sub("", other)
        if not re.search(r"\d", name):
            other, other_version = _NUMBER_OR_STAGE.sub("", other), ""
    return _ZERO.sub("", name) == _ZERO.sub("", other) and _agree(version, other_version) and _agree(tag, other_tag)


def _parts(name: str) -> tuple[str, str, str]:
    """The name of the model, its date and its tag."""
    bare = bare_name(name)
    if bare.startswith("ft:"):  # a model that OpenAI tuned for one customer: all of it is the name
        return bare, "", ""
    bare, _, tag = bare.partition(":")
    found = _VERSION.search(bare)
    return undated(bare), "" if found is None else found[1], tag


def _agree(one: str, other: str) -> bool:
    return one == other or one in ("", _LATEST) or other in ("", _LATEST)
