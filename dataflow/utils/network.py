"""Checks the proxies and certificates of the environment before a connection is opened.

For a wrong one the HTTP library raises an ImportError or FileNotFoundError from deep inside. It also opens every proxy
that the environment names, even for a host that NO_PROXY exempts.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from urllib import request
from urllib.parse import urlsplit

from dataflow.errors import ConfigError

_SCHEMES = ("http", "https", "socks5", "socks5h")
_CERTIFICATES = {"SSL_CERT_FILE": Path.is_file, "SSL_CERT_DIR": Path.is_dir}


def passes_proxies(host: str) -> bool:
    """Whether NO_PROXY exempts this host from proxies, by its name, its domain or a star."""
    return bool(request.proxy_bypass_environment(host))  # type: ignore[attr-defined]


def check_connection_settings(host: str) -> None:
    """Check that a connection to a host can be opened with the proxies and certificates of the environment.

    Args:
        host: a name or an address, without port.

    Raises:
        ConfigError: a variable is wrong. The message names the variable and its mend, and never a proxy's password.
    """
    for variable, is_there in _CERTIFICATES.items():
        place = os.environ.get(variable)
        if place and not is_there(Path(place)):
            raise ConfigError(
                f"{variable}={place} is not there: unset {variable}, or set it to the certificates of this machine"
            )
    if not passes_proxies(host):
        for kind, address in request.getproxies().items():
            if kind in ("http", "https", "all"):
                _check_proxy(_variable_of(kind), address, host)


def _check_proxy(variable: str, address: str, host: str) -> None:
    """Check the address of one proxy.

    Raises:
        ConfigError: it is no proxy, or needs a package that is missing.
    """
    instead = f"or set NO_PROXY={host} to pass it, or unset {variable}"
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{variable} is no proxy: give http://host:port or socks5://host:port, {instead}")
    if parts.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigError(f"{variable} is a SOCKS proxy, which needs a package: `pip install socksio`, {instead}")


def _variable_of(kind: str) -> str:
    """The environment variable that names the proxy for a scheme, in the case in which the environment has it."""
    names = (f"{kind}_proxy", f"{kind}_proxy".upper())
    return next((name for name in names if os.environ.get(name)), f"the system's {kind} proxy")
