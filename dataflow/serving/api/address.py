"""The address and the key as the user gave them, checked and in one form."""

import ipaddress
import os
import re
from urllib.parse import urlsplit

from dataflow.errors import ConfigError

_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
# Keys are written without underscores, or with small letters; what may be one is shown nowhere.
_PLAIN_NAME = re.compile("(?=.{1,40}$)[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
_NOT_A_NAME = (
    "key_name_of_api_key is the NAME of the environment variable that holds the key, such as DF_API_KEY; there is no"
    " variable of the name that you gave, and it looks like the key itself: `export DF_API_KEY=<your key>`, and leave"
    " key_name_of_api_key out"
)
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan")


def normalise_address(api_url: str, *, version: str = "/v1") -> str:
    """The address without a trailing slash; the version is added when there is no path at all.

    Args:
        api_url: as the user wrote it.
        version: the first part of the API's paths; another one takes the place of a lone `/v1`.

    Raises:
        ConfigError: it is no http(s) address, or holds a user, a query or a placeholder.
    """
    shown = api_url.strip()
    if not set(shown) & set(":./<"):  # perhaps a key in the wrong place
        raise ConfigError("api_url is no address: it starts with http:// or https:// and names a host")
    try:
        parts = urlsplit(shown)
    except ValueError as error:
        raise ConfigError(f"api_url {shown!r}: {error}") from error
    if "<" in shown or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"api_url {shown!r} is no address: it starts with http:// or https:// and names a host")
    if "@" in parts.netloc:
        raise ConfigError(
            f"api_url of {parts.hostname} holds a user or password: the key belongs into an environment variable"
        )
    if parts.query or parts.fragment:
        raise ConfigError(f"api_url of {parts.hostname} holds a query or fragment: leave out what follows the path")
    try:
        _ = parts.port
    except ValueError as error:
        raise ConfigError(f"api_url {shown!r}: {error}") from error
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{version if path in ('', '/v1') else path}"


def is_private(host: str) -> bool:
    """Whether a host name or address is this machine or one of its own network; asks no name server."""
    name = host.lower().strip("[]").rstrip(".")
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        return "." not in name or name.endswith(_LOCAL_NAMES)


def needs_no_key(api_url: str) -> bool:
    """Whether all of the addresses, with commas between them, are of this machine or its own network.

    Raises:
        ConfigError: one is no address.
    """
    addresses = [normalise_address(each) for each in api_url.split(",") if each.strip()]
    return bool(addresses) and all(is_private(urlsplit(each).hostname or "") for each in addresses)


def read_key(key_name: str, *, host: str, given: str = "") -> str:
    """The key that was given, else that of an environment variable; empty only where none is needed.

    Raises:
        ConfigError: it is unset or empty and the host is a public one, or no header can carry it.
    """
    key = given or os.environ.get(key_name, "")
    if not key.strip():
        if is_private(host):
            return ""
        raise ConfigError(_missing(key_name, host, set_but_empty=key_name in os.environ))
    if not (key.strip().isascii() and key.strip().isprintable()):
        where = "api_key=" if given else key_name
        raise ConfigError(f"the key in {where} holds characters that no header can carry: copy it again")
    return key.strip()


def check_key_name(key_name: str) -> None:
    """Refuse what is no name of a variable: it may be the key itself, so it is not shown.

    Raises:
        ConfigError: it is none.
    """
    if key_name and not (_VARIABLE.fullmatch(key_name) or key_name in os.environ):
        raise ConfigError(_NOT_A_NAME)


def shown_key_name(key_name: str) -> str:
    """The name of the key's variable, as a message may show it: what may be a key in its place is not shown."""
    is_name = key_name in os.environ or _PLAIN_NAME.fullmatch(key_name)
    return key_name if is_name else "the variable of key_name_of_api_key"


def _missing(key_name: str, host: str, *, set_but_empty: bool) -> str:
    if shown_key_name(key_name) != key_name:
        return f"no key for {host}: {_NOT_A_NAME}"
    fix = f"`export {key_name}=<your key>` before the run"
    if not set_but_empty:
        return f"no key for {host}: the environment variable {key_name} is not set: {fix}"
    return (
        f"no key for {host}: the environment variable {key_name} is set but empty, as "
        f'`os.environ["{key_name}"] = api_key` with an empty api_key does: pass the key, or {fix}'
    )
