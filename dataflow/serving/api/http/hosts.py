"""Which hosts a picture may be fetched from: public ones, and those that the user names."""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from dataflow.errors import ConfigError

# All of IPv6 that is routed in public; the rest of it holds translations of IPv4 addresses that dial those.
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
# Inside every Azure machine. Source: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
_PLATFORM_V4 = ipaddress.ip_address("168.63.129.16")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_public(address: str) -> bool:
    """Whether an IP address is routed in public, and dials nothing else.

    Args:
        address: without a zone.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None:
            return ip in _PUBLIC_V6 and ip.is_global
        ip = inner
    return ip.is_global and not ip.is_multicast and ip != _PLATFORM_V4


class NamedHosts:
    """The hosts that the user names beside the public ones.

    Args:
        named: each a name or an address (every port of it), one of these with a port, or a network (`10.1.0.0/16`).

    Raises:
        ConfigError: one is none of these.
    """

    def __init__(self, named: Sequence[str]) -> None:
        if isinstance(named, str):
            raise ConfigError(f"picture_hosts={named!r:.80}: give a list, such as [{named!r:.80}]")
        self._names: set[tuple[str, int | None]] = set()
        self._networks: list[Network] = []
        for each in named:
            self._take(each)

    def has_name(self, host: str, port: int) -> bool:
        """Whether this host is named, for every port or for this one."""
        return not self._names.isdisjoint({(host.lower(), None), (host.lower(), port)})

    def has_address(self, address: str) -> bool:
        """Whether this IP address lies in a network that is named."""
        ip = ipaddress.ip_address(address)
        return any(ip in network for network in self._networks)

    def _take(self, named: str) -> None:
        try:
            if "/" in named:
                self._networks.append(ipaddress.ip_network(named))
                return
            bare = named.count(":") > 1 and not named.startswith("[")  # an IPv6 address
            parts = urlsplit(f"//[{named}]" if bare else f"//{named}")
            if not parts.hostname or "@" in named or named != named.strip():
                raise ValueError("it names no host")
            self._names.add((parts.hostname, parts.port))
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"picture_hosts: {named!r:.80}: {error}; name hosts, such as 'images.lan', '10.0.0.5:9000' or "
                "'10.1.0.0/16'"
            ) from error


class _StandIns:
    """The addresses that a proxy with fake-IP DNS (Clash, Surge, sing-box) gives out in place of real ones.

    Source: https://www.rfc-editor.org/rfc/rfc2544, appendix C.2.2: set aside for tests, so no server is there.
    """

    _network = ipaddress.ip_network("198.18.0.0/15")

    def __str__(self) -> str:
        return str(self._network)

    def holds(self, address: str) -> bool:
        """Whether an IP address is one of them."""
        return ipaddress.ip_address(address) in self._network


STAND_INS = _StandIns()
