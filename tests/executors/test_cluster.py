"""Where no cluster can be reached, the error says so at once; none is started for it."""

import socket

import pytest

from dataflow.errors import ConfigError


@pytest.fixture
def closed_port() -> int:
    """One on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def refused(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    from dataflow.executors.cluster import connect

    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ConfigError) as caught:
        connect()
    return str(caught.value)


def test_a_head_that_is_gone_is_named_at_once(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(f"127.0.0.1:{closed_port}", monkeypatch)
    assert said.startswith(f"cannot connect to Ray at 127.0.0.1:{closed_port}: [Errno 111] Connection refused. See")
    assert "RAY_AUTH_MODE=token" in said  # Ray takes no token to an address unless told so


def test_an_address_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused("head", monkeypatch).startswith("cannot connect to Ray at head: Invalid address format: head. See")


def test_a_driver_on_a_machine_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused("ray://127.0.0.1:10001", monkeypatch)
    assert "a driver has to run on a machine that shares the disk of the nodes" in said
