import pytest

from dataflow.serving.providers import DEFAULT, GOOGLE, OPENAI, OPENROUTER, provider_of


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
