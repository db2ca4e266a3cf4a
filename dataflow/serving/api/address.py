"""Checks the address and the key as the user gave them, and brings the address into one form."""

import ipaddress
import os
import re
from urllib.parse import urlsplit

from dataflow.errors import ConfigError

_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
# Looks like the name of a variable, and not like a key: a key has no underscores, or has small letters. A text that may
# be a key is never shown.
_PLAIN_NAME = re.compile("(?=.{1,40}$)[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
_NOT_A_NAME = (
    "key_name_of_api_key is the NAME of the environment variable that holds the key, such as DF_API_KEY; there is no"
    " variable of the name that you gave, and it looks like the key itself: `export DF_API_KEY=<your key>`, and leave"
    " key_name_of_api_key out"
)
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan")


def normalise_address(api_url: str, *, version: str = "/v1") -> str:
    """The address without a trailing slash, and with the version where it has no other path.

    Args:
        api_url: as the user wrote it.
        version: the first part of the API's paths. It also takes the place of a path that is `/v1` alone.

    Raises:
        ConfigError: `api_url` is no http(s) address, or holds a user, a query or a placeholder.
    """
    shown = api_url.strip()
    if not set(shown) & set(":./<"):  # may be a key in the wrong place, so the message does not show it
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
    """Whether a host name or address is this machine's or its network's, as far as the text tells: no DNS is asked."""
    name = host.lower().strip("[]").rstrip(".")
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        return "." not in name or name.endswith(_LOCAL_NAMES)


def needs_no_key(api_url: str) -> bool:
    """Whether every one of the addresses is this machine's or its network's.

    Args:
        api_url: one address, or several with commas between them.

    Raises:
        ConfigError: one of them is no address.
    """
    addresses = [normalise_address(address) for address in api_url.split(",") if address.strip()]
    return bool(addresses) and all(is_private(urlsplit(address).hostname or "") for address in addresses)


def read_key(key_name: str, *, host: str, given: str = "") -> str:
    """The key for a host; empty: the host is private and there is no key.

    Args:
        key_name: the name of the environment variable that holds the key.
        host: a name or an address, without port.
        given: the key itself, which goes before the variable's; empty: the variable is read.

    Raises:
        ConfigError: the host is public and there is no key, or no header can carry the key.
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
    """Refuse a value of `key_name_of_api_key` that is no name of a variable.

    Args:
        key_name: as the user gave it; it may be the key itself, so the message does not show it.

    Raises:
        ConfigError: `key_name` is no name of a variable.
    """
    if key_name and not (_VARIABLE.fullmatch(key_name) or key_name in os.environ):
        raise ConfigError(_NOT_A_NAME)


def shown_key_name(key_name: str) -> str:
    """The name of the key's variable as a message may show it; words in its place where it may be the key itself."""
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
