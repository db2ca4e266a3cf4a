from urllib.parse import urlsplit

import pytest

from dataflow.serving.api.providers import DEFAULT, GOOGLE, OPENAI, OPENROUTER, provider_of


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("openrouter.ai", OPENROUTER),
        ("eu.openrouter.ai", OPENROUTER),
        ("generativelanguage.googleapis.com", GOOGLE),
        ("API.OpenAI.com.", OPENAI),
        ("notopenrouter.ai", DEFAULT),
        ("127.0.0.1", DEFAULT),
    ],
)
def test_the_host_decides(host, provider):
    assert provider_of(host) is provider


def test_only_openai_learns_of_an_openai_account():
    assert [each.openai_account for each in (OPENAI, OPENROUTER, GOOGLE, DEFAULT)] == [True, False, False, False]


@pytest.mark.parametrize(
    ("address", "model", "expected"),
    [
        (" https://generativelanguage.googleapis.com/v1beta ", "gpt-image-2", "gemini"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "nano", "chat"),
        ("https://openrouter.ai/api/v1", "openai/gpt-image-2", "chat"),
        ("https://api.openai.com/v1", "chatgpt-image-latest", "images"),
        ("http://gateway/openai/v1", "dall-e-3", "images"),
        ("http://gateway/v1", "my-gpt-image-2", "chat"),
        ("http://gateway/v1", "", "chat"),
    ],
)
def test_the_address_and_then_the_model_choose_the_format(address, model, expected):
    assert provider_of(urlsplit(address.strip()).hostname).dialect_at(address.strip(), model).name == expected
