"""What a client of one host reads of the environment."""

import ssl

import httpx2
import pytest

from dataflow.serving.api.http.environment import client_settings


@pytest.fixture(autouse=True)
def broken_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that no client can open."""
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "inner.example")


def test_a_host_that_passes_proxies_opens_none_and_still_checks_certificates() -> None:
    settings = client_settings("inner.example")
    assert settings["trust_env"] is False
    assert isinstance(settings["verify"], ssl.SSLContext)
    httpx2.AsyncClient(**settings)


def test_another_host_leaves_all_to_the_environment() -> None:
    assert client_settings("outer.example") == {}
    with pytest.raises(ValueError, match="gopher"):
        httpx2.AsyncClient(**client_settings("outer.example"))
