"""Proxies and certificates with which no connection can be opened: named before anything is asked."""

import json
import sys
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.io import ImageIO
from dataflow.models.hub import HubModel
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.network import check_connection_settings, passes_proxies
from dataflow.utils.storage import FileStorage
from tests.kit.flow import draw
from tests.kit.loopback import LoopbackServer

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir", "hf_endpoint")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setitem(sys.modules, "socksio", None)


WRONG = [
    ("ALL_PROXY", "socks5://user:hidden@127.0.0.1:7890", "ALL_PROXY is a SOCKS proxy.*pip install socksio.*NO_PROXY="),
    ("all_proxy", "socks5h://127.0.0.1:7890", "all_proxy is a SOCKS proxy"),
    ("HTTPS_PROXY", "socks://127.0.0.1:7890", "HTTPS_PROXY is no proxy: give http://host:port"),
    ("http_proxy", "http://[bad", "http_proxy is no proxy"),
    ("SSL_CERT_FILE", "/nowhere/cacert.pem", "SSL_CERT_FILE=/nowhere/cacert.pem is not there: unset SSL_CERT_FILE"),
    ("SSL_CERT_DIR", "/nowhere", "SSL_CERT_DIR=/nowhere is not there"),
]


@pytest.mark.parametrize(("variable", "value", "message"), WRONG)
def test_what_no_connection_can_be_opened_with_is_named(
    variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=message) as caught:
        check_connection_settings("api.example.com")
    assert "hidden" not in str(caught.value)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example.com")
    with pytest.raises(ConfigError, match=message):
        HubModel("owner/model").commit()


def test_usable_settings_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "127.0.0.1:7890")
    monkeypatch.setenv("ALL_PROXY", "http://user:word@proxy.lan:8080/")
    monkeypatch.setenv("SSL_CERT_FILE", __file__)
    check_connection_settings("api.example.com")


@pytest.mark.parametrize(
    ("named", "host", "passes"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        (".lan,other.org", "gpu.lan", True),
        ("*", "api.example.com", True),
        ("example.org", "api.example.com", False),
        ("", "127.0.0.1", False),
    ],
)
def test_no_proxy_names_hosts_domains_or_all(
    named: str, host: str, passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", named)
    assert passes_proxies(host) is passes


def edit(folder: Path, server: LoopbackServer) -> list[object]:
    picture = draw(folder / "a.png")
    (folder / "rows.jsonl").write_text(json.dumps({"images": str(picture), "conversations": "Rain."}) + "\n")
    serving = APIVLMServing_openai(server.url, model_name="nano", image_io=ImageIO(save_path=str(folder / "made")))
    storage = FileStorage(folder / "rows.jsonl", folder / "cache")
    PromptedImageEditGenerator(serving).run(storage.step())
    return [row["edited_images"] for row in storage.step().read("dict")]


def test_a_run_stops_before_it_asks_and_goes_on_where_no_proxy_names_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LoopbackServer() as server:
        monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:7890")
        with pytest.raises(ConfigError, match="ALL_PROXY is a SOCKS proxy"):
            edit(tmp_path, server)
        assert server.requests == 0
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert len(edit(tmp_path, server)) == 1
        assert server.requests == 1


def test_certificates_of_the_environment_are_read_beside_no_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with LoopbackServer() as server, pytest.raises(ConfigError, match=r"SSL_CERT_FILE=/nowhere\.pem"):
        edit(tmp_path, server)


@pytest.mark.parametrize("endpoint", ["nonsense", "ftp://x", "http://[bad", "http://"])
def test_a_hub_at_no_address_is_named(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(ConfigError, match="HF_ENDPOINT is no address: give that of a mirror"):
        HubModel("owner/model").commit()
