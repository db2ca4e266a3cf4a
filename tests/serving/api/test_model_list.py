"""What an address lists as its models, over a real connection."""

import asyncio

import pytest

from dataflow.serving.api.http.get import MAX_BYTES
from dataflow.serving.api.model_list import listed_models, read_models
from tests.kit.loopback import LoopbackServer


def listed(address: str, headers: dict[str, str] | None = None) -> frozenset[str] | None:
    return asyncio.run(listed_models(address, headers or {}))


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"object": "list", "data": [{"id": "gpt-4o", "name": "GPT-4o"}, {"id": "o/x"}]}', {"gpt-4o", "o/x"}),
        (b'{"models": [{"name": "models/gemini-3-pro-image"}], "nextPageToken": "x"}', {"models/gemini-3-pro-image"}),
        (b'[{"id": "a"}, "b", {"object": "c"}, 7]', {"a", "b"}),
        (b'{"data": []}', None),
        (b'{"error": {"message": "no"}}', None),
        (b"<html>", None),
    ],
)
def test_every_form_of_a_list_is_read_and_what_is_none_says_nothing(body: bytes, names: set[str] | None) -> None:
    assert read_models(body) == names


def test_a_list_is_asked_for_with_the_key_of_the_address_alone() -> None:
    with LoopbackServer(models=["nano", "gpt-4o"]) as server:
        assert listed(server.url, {"Authorization": "Bearer k"}) == {"nano", "gpt-4o"}
        assert listed(server.url, {"x-goog-api-key": "k"}) == {"nano", "gpt-4o"}
    first, second = server.probed
    assert first["authorization"] == "Bearer k"
    assert (second["x-goog-api-key"], "authorization" in second) == ("k", False)


def test_a_list_without_an_end_says_nothing() -> None:
    with LoopbackServer(models=["nano", "x" * MAX_BYTES]) as server:
        assert listed(server.url) is None


def test_an_address_without_a_list_or_without_anybody_has_none() -> None:
    with LoopbackServer() as server:
        assert listed(server.url) is None
    assert listed(server.url) is None
