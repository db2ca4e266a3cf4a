"""The settings of an HTTP client that depend on the environment: its certificates, and its proxies.

Where NO_PROXY names the host, the client must not even open a proxy that the environment names: a proxy that cannot be
opened would stop it, though it would never be used.
"""

from typing import TypedDict, cast

from dataflow.utils.network import passes_proxies


class ClientSettings(TypedDict, total=False):
    """Arguments of an httpx2 client; an empty one leaves all to the environment."""

    trust_env: bool
    verify: bool


def client_settings(host: str) -> ClientSettings:
    """The arguments for a client that connects to one host.

    Args:
        host: a name or an address, without port.
    """
    import httpx2

    if not passes_proxies(host):
        return {}
    certificates = httpx2.create_ssl_context()
    return {"trust_env": False, "verify": cast("bool", certificates)}
