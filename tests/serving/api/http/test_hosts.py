"""Which hosts are public, and which ones the user may name beside them."""

import pytest

from dataflow.errors import ConfigError
from dataflow.serving.api.http.hosts import FAKE_ADDRESSES, NamedHosts, is_public


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "2002:101:101::1"])
def test_an_address_that_is_routed_in_public_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "198.18.0.1"),
        "168.63.129.16",  # Azure's, on the machine itself
        *("::1", "::", "fe80::1", "fd00::1", "ff02::1", "fec0::1"),
        *("::ffff:127.0.0.1", "2002:7f00:1::1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2001:0:7f00:1::1"),
    ],
)
def test_an_address_that_is_private_or_leads_to_a_private_one_is_not(address: str) -> None:
    assert not is_public(address)


def test_a_host_counts_for_every_port_or_for_the_one_that_is_named() -> None:
    named = NamedHosts(["Images.lan", "10.0.0.5:9000", "fd00::5", "[fd00::6]:81"])
    assert named.has_name("images.LAN", 80)
    assert named.has_name("10.0.0.5", 9000)
    assert not named.has_name("10.0.0.5", 80)
    assert named.has_name("fd00::5", 443)
    assert named.has_name("fd00::6", 81)
    assert not named.has_name("fd00::6", 80)


def test_a_network_holds_addresses_and_no_names() -> None:
    named = NamedHosts(["10.1.0.0/16", "fd00::/64"])
    assert named.has_address("10.1.255.1")
    assert named.has_address("fd00::9")
    assert not named.has_address("10.2.0.1")
    assert not named.has_name("10.1.255.1", 80)


@pytest.mark.parametrize("named", ["", "http://h", "a b:c", "10.0.0.1/8", "u@h", "h:99999", " h", 7, "[::1"])
def test_what_is_no_host_is_refused(named: str) -> None:
    with pytest.raises(ConfigError, match="picture_hosts"):
        NamedHosts([named])


def test_one_string_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(ConfigError, match="give a list"):
        NamedHosts("images.example")


def test_the_addresses_of_a_fake_ip_proxy_are_known() -> None:
    assert FAKE_ADDRESSES.holds("198.18.0.5")
    assert not FAKE_ADDRESSES.holds("198.20.0.5")
    assert str(FAKE_ADDRESSES) == "198.18.0.0/15"
