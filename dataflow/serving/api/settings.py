"""The settings of a serving over HTTP in our own words; the guide's classes name them in theirs."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.io.image import ImageIO
from dataflow.serving.api.address import check_key_name
from dataflow.serving.api.http.hosts import NamedHosts
from dataflow.serving.api.providers import Provider
from dataflow.serving.dialects import FORMATS, Dialect, Format

ADDRESS_VARIABLE = "DF_BASE_URL"
KEY_VARIABLE = "DF_API_KEY"
# Requests in flight.
_MOST = 256
_AT_FIRST = 16
_AT_FIRST_BY_NAME = 64  # a serving begins with the number that the user names, up to this one
# An engine of one's own refuses nothing: what is too much for it waits there, and past the time-out its work is lost.
_MOST_AT_EACH = 16  # of several engines
_AT_FIRST_AT_EACH = 4  # so that the slowest engine has ended one request before it gets more
# Seconds of an engine's queue to those of the time-out: the next pictures may be larger than the measured ones.
_QUEUE_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The settings of a serving over HTTP.

    Args:
        address: as the user wrote it; None: read from `DF_BASE_URL`. Several, in a sequence or with commas between
            them, are replicas that serve the same model: see `fleet`.
        model: the model's name at the provider.
        image_io: where pictures are stored; None for text only.
        key_name: the environment variable that holds the key.
        key: the key itself, where the user gave it; shown nowhere.
        dialect: which wire format to speak, by name or a value of one's own; None: the address and the model's name
            decide.
        provider: what the server wants beside the standard fields; None: the host of the address decides.
        task: "imageedit" refuses requests without a picture, "text2image" those with one; None: neither.
        stream: ask for streamed replies.
        send_schema: send a text request's JSON schema, for providers that hold their model to it.
        width: most requests in flight, at each of several addresses; None: as many as the server is found to
            take, up to 256, and 16 at each of several addresses. See also `patience`.
        requests_per_minute: most requests a minute; None: as many as the server takes.
        timeout: seconds for one attempt.
        connect_timeout: seconds of them for connecting.
        picture_hosts: hosts of one's own network from which pictures that a reply names are fetched, beside the public
            ones; see `NamedHosts`.
        sampling: `temperature` and `max_tokens`, where given.
        extra_body: further fields, sent as they are.
        batch: let requests go into files that the provider works off within a day, at half the price.
        strict_model: an answer of another model than `model` stops the run.

    Raises:
        ConfigError: a setting that cannot be right.
    """

    address: str | Sequence[str] | None
    model: str
    image_io: ImageIO | None
    key_name: str = field(default=KEY_VARIABLE, repr=False)
    key: str = field(default="", repr=False)
    dialect: Dialect | Format | None = None
    provider: Provider | None = None
    task: str | None = None
    stream: bool = False
    send_schema: bool = False
    width: int | None = None
    requests_per_minute: float | None = None
    timeout: float = 600.0
    connect_timeout: float = 10.0
    picture_hosts: Sequence[str] = ()
    sampling: Mapping[str, JSON] = field(default_factory=dict)
    extra_body: Mapping[str, JSON] = field(default_factory=dict)
    batch: bool = False
    strict_model: bool = False

    def __post_init__(self) -> None:
        if self.dialect is not None and not isinstance(self.dialect, Dialect) and self.dialect not in FORMATS:
            raise ConfigError(
                f"api_format={self.dialect!r}: use one of {', '.join(FORMATS)}, or leave it out; a format of your own"
                " is dialect=Dialect(...)"
            )
        check_key_name(self.key_name)
        if self.task not in (None, "text2image", "imageedit"):
            raise ConfigError(f"Image_gen_task={self.task!r}: use 'text2image' or 'imageedit'")
        a_minute = 1.0 if self.requests_per_minute is None else self.requests_per_minute
        if self.widths(0)[0] < 1 or not all(each > 0 for each in (self.timeout, self.connect_timeout, a_minute)):
            raise ConfigError(
                f"max_workers={self.width}, requests_per_minute={self.requests_per_minute}, "
                f"timeout={self.timeout} and connect_timeout={self.connect_timeout} must be positive"
            )
        for name, value in self.sampling.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"{name}={value} must be a finite number")
        if self.address is not None and not isinstance(self.address, str):
            object.__setattr__(self, "address", ",".join(self.address))
        NamedHosts(self.picture_hosts)
        given = {name: value for name, value in self.sampling.items() if value is not None}
        object.__setattr__(self, "sampling", given)
        object.__setattr__(self, "extra_body", _plain(self.extra_body))

    def widths(self, engines: int) -> tuple[int, int]:
        """The most requests in flight, and the number to begin with.

        Args:
            engines: how many engines of one's own are behind the addresses; 0 for an address of somebody else's.
        """
        if self.width is not None:
            most = self.width * max(1, engines)
            return most, most if engines > 1 else min(most, _AT_FIRST_BY_NAME)
        if not engines:
            return _MOST, _AT_FIRST
        return _MOST_AT_EACH * engines if engines > 1 else _MOST, _AT_FIRST_AT_EACH * engines

    @property
    def patience(self) -> float:
        """Seconds in which an engine of one's own should answer all that it got; endless where a width is named."""
        return self.timeout * _QUEUE_SHARE if self.width is None else math.inf


def _plain(extra_body: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """A copy, which does not change when the caller's own does."""
    try:
        copy = orjson.loads(orjson.dumps(dict(extra_body)))
        json.dumps(dict(extra_body), allow_nan=False, default=str)  # orjson makes null of what is no finite number
    except (TypeError, ValueError) as error:
        raise ConfigError(f"extra_body must be plain JSON: {error}") from error
    assert isinstance(copy, dict)
    return copy
