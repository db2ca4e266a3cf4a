"""What of the environment a client of one address reads: certificates; proxies unless NO_PROXY names its host."""

from typing import TypedDict, cast

from dataflow.utils.network import passes_proxies


class ClientSettings(TypedDict, total=False):
    """Arguments of an httpx2 client."""

    trust_env: bool
    verify: bool


def client_settings(host: str) -> ClientSettings:
    """What a client of this host is opened with; else it would open, and fail at, a proxy that it never uses.

    Args:
        host: a name or an address, without port.
    """
    import httpx2

    if not passes_proxies(host):
        return {}
    certificates = httpx2.create_ssl_context()
    return {"trust_env": False, "verify": cast("bool", certificates)}
