"""Decides from which hosts a picture may be fetched: public ones, and those that the user names."""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from dataflow.errors import ConfigError

# The IPv6 addresses that are routed in public. Outside of them lie translations of IPv4 addresses (64:ff9b::/96), which
# may lead to private ones.
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
# Azure's own services within every Azure machine, at a public address.
# Source: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
_PLATFORM_V4 = ipaddress.ip_address("168.63.129.16")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_public(address: str) -> bool:
    """Whether an IP address is routed in public, and stands for no private address.

    Args:
        address: of IPv4 or IPv6, without a zone.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None:
            return ip in _PUBLIC_V6 and ip.is_global
        ip = inner
    return ip.is_global and not ip.is_multicast and ip != _PLATFORM_V4


class NamedHosts:
    """The hosts from which the user allows pictures, beside the public ones.

    Args:
        named: of each the name or the address, for every port or with one port, or a network such as `10.1.0.0/16`.

    Raises:
        ConfigError: an entry is none of these, or `named` is one string.
    """

    def __init__(self, named: Sequence[str]) -> None:
        if isinstance(named, str):
            raise ConfigError(f"picture_hosts={named!r:.80}: give a list, such as [{named!r:.80}]")
        self._names: set[tuple[str, int | None]] = set()
        self._networks: list[Network] = []
        for host in named:
            self._add(host)

    def has_name(self, host: str, port: int) -> bool:
        """Whether the user names this host, for every port or for this one."""
        return not self._names.isdisjoint({(host.lower(), None), (host.lower(), port)})

    def has_address(self, address: str) -> bool:
        """Whether this IP address lies in a network that the user names."""
        ip = ipaddress.ip_address(address)
        return any(ip in network for network in self._networks)

    def _add(self, named: str) -> None:
        try:
            if "/" in named:
                self._networks.append(ipaddress.ip_network(named))
                return
            is_bare_v6 = named.count(":") > 1 and not named.startswith("[")
            parts = urlsplit(f"//[{named}]" if is_bare_v6 else f"//{named}")
            if not parts.hostname or "@" in named or named != named.strip():
                raise ValueError("it names no host")
            self._names.add((parts.hostname, parts.port))
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"picture_hosts: {named!r:.80}: {error}; name hosts, such as 'images.lan', '10.0.0.5:9000' or "
                "'10.1.0.0/16'"
            ) from error


class _FakeAddresses:
    """The addresses that a proxy with fake-IP DNS (Clash, Surge, sing-box) gives out in place of real ones.

    Source: https://www.rfc-editor.org/rfc/rfc2544, appendix C.2.2: reserved for tests, so no real server is there.
    """

    _network = ipaddress.ip_network("198.18.0.0/15")

    def __str__(self) -> str:
        return str(self._network)

    def holds(self, address: str) -> bool:
        """Whether an IP address is a fake one."""
        return ipaddress.ip_address(address) in self._network


FAKE_ADDRESSES = _FakeAddresses()
