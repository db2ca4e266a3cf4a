import pytest

from dataflow.errors import ConfigError
from dataflow.serving.api.address import is_private, normalise_address, read_key, shown_key_name
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("http://123.129.219.111:3000/v1/", "http://123.129.219.111:3000/v1"),
        ("http://123.129.219.111:3000/v1", "http://123.129.219.111:3000/v1"),
        (" https://api.openai.com ", "https://api.openai.com/v1"),
        ("https://api.openai.com/", "https://api.openai.com/v1"),
        ("https://host/v1beta/openai/", "https://host/v1beta/openai"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_addresses_come_into_one_form(given, address):
    assert normalise_address(given) == address


@pytest.mark.parametrize(
    "given",
    [
        "api.openai.com/v1",
        "<your_url>",
        "ftp://host",
        "https://",
        "http://u:p@host/v1",
        "https://h/v1?key=k",
        "http://h:x",
    ],
)
def test_what_is_no_address_is_refused(given):
    with pytest.raises(ConfigError, match="api_url"):
        normalise_address(given)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.1.2.3", "[::1]", "192.168.0.9", "vllm", "gpu.local"])
def test_private_hosts(host):
    assert is_private(host)


@pytest.mark.parametrize("host", ["api.openai.com", "123.129.219.111", "8.8.8.8"])
def test_public_hosts(host):
    assert not is_private(host)


def test_a_key_is_needed_for_public_hosts_only(monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    assert read_key("MY_KEY", host="localhost") == ""
    with pytest.raises(ConfigError, match="MY_KEY is not set"):
        read_key("MY_KEY", host="api.openai.com")
    monkeypatch.setenv("MY_KEY", "")
    with pytest.raises(ConfigError, match=r'MY_KEY is set but empty, as `os.environ\["MY_KEY"\] = api_key`'):
        read_key("MY_KEY", host="api.openai.com")
    monkeypatch.setenv("MY_KEY", " sk-1\n")
    assert read_key("MY_KEY", host="api.openai.com") == "sk-1"


def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-“canary”")
    with pytest.raises(ConfigError, match="MY_KEY") as caught:
        read_key("MY_KEY", host="localhost")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("http://host", "/v1beta"),
        ("http://host/v1/", "/v1beta"),
        ("http://host/v1alpha", "/v1alpha"),
        ("http://host/x/v1", "/x/v1"),
    ],
)
def test_another_version_takes_the_place_of_a_lone_v1(given, path):
    assert normalise_address(given, version="/v1beta") == f"http://host{path}"


def test_brackets_that_do_not_match_are_a_setting_that_is_wrong():
    with pytest.raises(ConfigError, match="Invalid IPv6"):
        normalise_address("http://[::1")


def test_a_key_that_is_given_is_taken_first(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-1")
    assert read_key("MY_KEY", host="api.openai.com", given=" sk-2 ") == "sk-2"
    with pytest.raises(ConfigError, match="the key in api_key= holds"):
        read_key("MY_KEY", host="api.openai.com", given="sk-2\n\u00e9")


KEYS = [
    "sk-proj-abcdefabcdef",
    "AIzaSyA0123456789abcdefghij",
    "0123456789abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "a.b.c",
    "x" * 50,
]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_in_the_place_of_a_name_is_never_shown(key: str) -> None:
    with pytest.raises(ConfigError, match="key_name_of_api_key is the NAME of the environment variable") as caught:
        APIVLMServing_openai("https://api.example.com/v1", key, model_name="m").prepare()
    assert key not in str(caught.value)
    with pytest.raises(ConfigError, match="api_url") as caught:
        APIVLMServing_openai(key, model_name="m").prepare()
    assert key not in str(caught.value) or key == "a.b.c"


@pytest.mark.parametrize("name", ["DF_API_KEY", "OPENAI_API_KEY", "MY_TOKEN_2"])
def test_a_name_of_a_variable_is_shown_where_it_is_not_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=f"the environment variable {name} is not set: `export {name}="):
        APIVLMServing_openai("https://api.example.com/v1", name, model_name="m").prepare()


def test_any_name_that_is_set_is_shown_where_its_key_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("mykey", "")
    with pytest.raises(ConfigError, match="the environment variable mykey is set but empty"):
        APIVLMServing_openai("https://api.example.com/v1", "mykey", model_name="m").prepare()


def test_a_refused_key_of_a_server_of_ones_own_does_not_show_what_may_be_a_key() -> None:
    assert shown_key_name("sk0123456789abcdef") == "the variable of key_name_of_api_key"
    assert shown_key_name("DF_API_KEY") == "DF_API_KEY"
