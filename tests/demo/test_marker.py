"""The demo server under the real SDK: an edited picture comes back, nonsense gets a 400."""

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from io import BytesIO

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI
from openai.types.chat import ChatCompletionMessageParam
from PIL import Image

from dataflow.demo.mark import CARD_SIDE, mark
from dataflow.demo.marker import MarkerServer

TEXT = "把外套换成红色。Change the coat to red."


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with MarkerServer() as server:
        yield server.url


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def picture(colour: str, size: tuple[int, int] = (80, 60)) -> Image.Image:
    return Image.new("RGB", size, colour)


def data_url(image: Image.Image, kind: str = "png") -> str:
    buffer = BytesIO()
    image.save(buffer, kind)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def question(text: str, *urls: str) -> list[ChatCompletionMessageParam]:
    parts = [{"type": "text", "text": text}, *({"type": "image_url", "image_url": {"url": u}} for u in urls)]
    return [{"role": "user", "content": parts}]  # type: ignore[list-item,typeddict-item]


def image_of(url: str) -> Image.Image:
    assert url.startswith("data:image/png;base64,")
    with Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return image.convert("RGB")


def ask(client: OpenAI, messages: list[ChatCompletionMessageParam]) -> Image.Image:
    completion = client.chat.completions.create(model="any", messages=messages)
    return image_of(completion.choices[0].message.images[0]["image_url"]["url"])  # type: ignore[attr-defined]


def test_a_picture_comes_back_marked_with_usage(client: OpenAI) -> None:
    completion = client.chat.completions.create(model="any", messages=question(TEXT, data_url(picture("teal"))))
    choice = completion.choices[0]
    assert choice.finish_reason == "stop"
    assert "No model" in (choice.message.content or "")
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 0
    got = image_of(choice.message.images[0]["image_url"]["url"])  # type: ignore[attr-defined]
    assert got.tobytes() == mark([picture("teal")], TEXT).tobytes()


def test_a_stream_carries_the_same_picture(client: OpenAI) -> None:
    words, images, ends, usages = "", [], [], []
    messages = question(TEXT, data_url(picture("teal")))
    with client.chat.completions.create(model="any", messages=messages, stream=True) as stream:
        for chunk in stream:
            usages += [chunk.usage] if chunk.usage else []
            for choice in chunk.choices:
                words += choice.delta.content or ""
                images += getattr(choice.delta, "images", None) or []
                ends += [choice.finish_reason] if choice.finish_reason else []
    assert (ends, len(usages), len(images)) == (["stop"], 1, 1)
    assert "No model" in words
    assert image_of(images[0]["image_url"]["url"]).tobytes() == mark([picture("teal")], TEXT).tobytes()


def test_every_picture_of_the_question_is_looked_at(client: OpenAI) -> None:
    sent = [data_url(picture("teal")), data_url(picture("navy"), "webp"), data_url(picture("olive"), "jpeg")]
    got = ask(client, question(TEXT, *sent))
    assert got.width > 3 * 80
    assert len({got.getpixel((x, 20)) for x in (40, 120, 200)}) == 3


def test_a_later_turn_without_a_picture_edits_the_one_before(client: OpenAI) -> None:
    messages = question("Make it blue.", data_url(picture("teal")))
    messages += [{"role": "assistant", "content": "Done."}, {"role": "user", "content": "Now larger."}]
    assert ask(client, messages).tobytes() == mark([picture("teal")], "Now larger.").tobytes()


def test_words_alone_give_a_card(client: OpenAI) -> None:
    assert ask(client, [{"role": "user", "content": "一碗牛肉面"}]).size == (CARD_SIDE, CARD_SIDE)


def test_many_at_once_are_all_answered(url: str) -> None:
    async def all_of_them() -> list[int]:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            asked = (
                client.chat.completions.create(model="any", messages=question(str(k), data_url(picture("teal"))))
                for k in range(64)
            )
            completions = await asyncio.gather(*asked)
        return [len(completion.choices[0].message.images) for completion in completions]  # type: ignore[attr-defined]

    assert asyncio.run(all_of_them()) == [1] * 64


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "`messages`"),
        (b'{"messages": []}', "`messages`"),
        (b'{"messages": ["hello"]}', "object with a `role`"),
        (b'{"messages": [{"role": "user"}]}', "no user message with text"),
        (b'{"messages": [{"role": "assistant", "content": "hi"}]}', "no user message with text"),
        (b'{"messages": [{"role": "user", "content": 7}]}', "parts of type"),
        (b'{"messages": [{"role": "user", "content": [{"type": "audio"}]}]}', "parts of type"),
    ],
)
def test_a_malformed_request_is_answered_with_400(url: str, body: bytes, reason: str) -> None:
    request = urllib.request.Request(f"{url}/chat/completions", data=body)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as reply:
        assert reply.code == 400
        error = json.load(reply)["error"]
    assert reason in error["message"]
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("url_sent", "reason"),
    [
        ("https://example.com/a.png", "data URLs only"),
        ("data:image/png;base64,@@@@", "a picture"),
        ("data:image/png;base64,aGVsbG8=", "in no format we read"),
        (f"data:image/svg+xml;base64,{base64.b64encode(b'<svg/>').decode()}", "SVG"),
    ],
)
def test_a_picture_it_cannot_see_is_answered_with_400(client: OpenAI, url_sent: str, reason: str) -> None:
    with pytest.raises(BadRequestError, match=reason):
        ask(client, question(TEXT, url_sent))


def test_other_paths_are_not_found(client: OpenAI) -> None:
    with pytest.raises(NotFoundError):
        client.models.list()
    with pytest.raises(NotFoundError):
        client.images.generate(prompt="x", model="any")


def test_the_address_is_there_while_it_runs_only() -> None:
    server = MarkerServer()
    with pytest.raises(RuntimeError, match="`with` block"):
        server.url.strip()
    with server as running:
        assert running.url.startswith("http://127.0.0.1:")
        address = running.url
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{address}/models")
