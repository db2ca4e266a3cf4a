"""What a `Dialect` says of itself, and what it refuses to say."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from dataflow.core.records import JSON, Request
from dataflow.errors import ConfigError
from dataflow.serving.dialects import DIALECTS, FORMATS, Dialect, EncodedPicture, Post, Reply
from dataflow.serving.dialects.chat import CHAT
from dataflow.serving.dialects.gemini import GEMINI
from dataflow.serving.dialects.openrouter import OPENROUTER_CHAT
from dataflow.serving.dialects.responses import RESPONSES


def encode(
    request: Request,
    pictures: Mapping[str, EncodedPicture],
    *,
    model: str,
    fields: Mapping[str, JSON],
    stream: bool,
) -> Post:
    return Post("/draw")


def decode(body: bytes | memoryview) -> Reply:
    return Reply()


def test_the_registry_names_the_four_that_flags_offer() -> None:
    assert tuple(DIALECTS) == FORMATS


def test_a_format_that_says_nothing_of_sizes_refuses_one_in_words_of_its_own() -> None:
    words = Dialect("mine", encode, decode).size_problem(64, 64)
    assert "no field for a size" in words
    assert "chat" not in words


@pytest.mark.parametrize(
    ("headers", "key_header", "says"),
    [
        ({"Authorization": "Bearer x"}, "", "'Authorization' carries the key"),
        ({"authorization": "Bearer x"}, "x-api-key", "'authorization' carries the key"),
        ({"X-Api-Key": "x"}, "x-api-key", "'X-Api-Key' carries the key"),
        ({"x version": "1"}, "", "no name of a header"),
        ({}, "x-api-key: ", "no name of a header"),
        ({"x-version": "1\r\nx-other: 2"}, "", "no value of a header"),
    ],
)
def test_headers_that_carry_the_key_twice_or_are_none_are_refused(
    headers: dict[str, str], key_header: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        Dialect("mine", encode, decode, headers=headers, key_header=key_header)


@pytest.mark.parametrize("path", ["https://other.example/v1/draw", "draw", ""])
def test_a_request_goes_below_the_address_and_nowhere_else(path: str) -> None:
    with pytest.raises(ConfigError, match="begin the path with '/'"):
        Post(path)


@pytest.mark.parametrize("dialect", [CHAT, OPENROUTER_CHAT, GEMINI, RESPONSES], ids=lambda each: each.name)
def test_a_label_stands_right_before_its_picture(dialect: Dialect) -> None:
    request = Request("Which?", ("/a.png", "/b.png"), makes="text", labels=("First:", "Second:"))
    pictures = {"/a.png": ("image/png", b"AAAAAA"), "/b.png": ("image/png", b"ZZZZZZ")}
    sent = dialect.encode(request, pictures, model="m", fields={}, stream=False).content.decode()
    at = [sent.index(each) for each in ("First:", "QUFBQUFB", "Second:", "WlpaWlpa")]
    assert at == sorted(at)
    plain = dialect.encode(replace(request, labels=()), pictures, model="m", fields={}, stream=False).content.decode()
    assert "First:" not in plain
