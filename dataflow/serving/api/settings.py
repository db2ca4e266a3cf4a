"""The settings of a serving over HTTP, in our own names; the public servings take them under the guide's names."""

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
# Requests in flight at an address of a provider.
_MAX_WIDTH = 256
_FIRST_WIDTH = 16
_MAX_FIRST_WIDTH = 64  # where the user gives a width, which may be more than a provider takes at once
# Requests in flight at an engine of one's own. An engine refuses nothing: further requests wait in its queue, and those
# that wait past the time-out are drawn for nobody.
_MAX_WIDTH_OF_ENGINE = 16  # at each of several
_FIRST_WIDTH_OF_ENGINE = 4  # so few that the slowest engine has ended one request before it gets more
# The share of the time-out for which a request may wait in an engine's queue: the next pictures may be larger, and so
# slower, than those whose time was measured.
_QUEUE_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The settings of a serving over HTTP.

    Args:
        address: as the user wrote it; None: the environment variable `DF_BASE_URL`. Several addresses, in a sequence or
            with commas between them, are replicas that serve the same model: see `fleet`.
        model: the model's name at the provider.
        image_io: the store for pictures; None: the serving answers with texts alone.
        key_name: the name of the environment variable that holds the key.
        key: the key itself, which no message shows; empty: the environment variable is read.
        dialect: the wire format, by its name or as a value; None: the address and the model's name decide.
        provider: what the server wants beside the standard fields; None: the address's host decides.
        task: "imageedit" refuses requests without a picture, "text2image" those with one; None: neither is refused.
        stream: whether to ask for streamed replies.
        send_schema: whether to send the JSON schema of a request that has one.
        width: the most requests in flight, at each of several addresses; None: as many as the server is found to take,
            at most 256, and at most 16 at each of several addresses. See also `patience`.
        requests_per_minute: the most requests that start in a minute; None: as many as the server is found to take.
        timeout: seconds for one attempt.
        connect_timeout: seconds of `timeout` that connecting may take.
        picture_hosts: hosts of one's own network from which the pictures are fetched that a reply names, as
            `NamedHosts` takes them.
        sampling: `temperature` and `max_tokens`, as far as they are given.
        extra_body: JSON fields that every request carries at its top level, in place of ours of the same name.
        batch: whether requests go into batch files.
        strict_model: whether an answer of another model than `model` stops the run.

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
        if self.widths(0)[0] < 1 or not all(number > 0 for number in (self.timeout, self.connect_timeout, a_minute)):
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
        object.__setattr__(self, "extra_body", _copy_of(self.extra_body))

    def widths(self, engines: int) -> tuple[int, int]:
        """The most requests in flight, and the number to begin with, for all addresses together.

        Args:
            engines: the number of engines of one's own behind the addresses; 0: the address is a provider's.
        """
        if self.width is not None:
            most = self.width * max(1, engines)
            return most, most if engines > 1 else min(most, _MAX_FIRST_WIDTH)
        if not engines:
            return _MAX_WIDTH, _FIRST_WIDTH
        return _MAX_WIDTH_OF_ENGINE * engines if engines > 1 else _MAX_WIDTH, _FIRST_WIDTH_OF_ENGINE * engines

    @property
    def patience(self) -> float:
        """Seconds in which an engine of one's own should answer all its requests; infinite: the user gave a width."""
        return self.timeout * _QUEUE_SHARE if self.width is None else math.inf


def _copy_of(extra_body: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """A copy as plain JSON, which a later change of the caller's own value does not change.

    Raises:
        ConfigError: a value is no JSON.
    """
    try:
        copy = orjson.loads(orjson.dumps(dict(extra_body)))
        json.dumps(dict(extra_body), allow_nan=False, default=str)  # refuses NaN, of which orjson makes null
    except (TypeError, ValueError) as error:
        raise ConfigError(f"extra_body must be plain JSON: {error}") from error
    assert isinstance(copy, dict)
    return copy
