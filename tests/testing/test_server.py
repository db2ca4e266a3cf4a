"""The image server for users' tests, asked by the real servings."""

import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from dataflow.core.records import Request
from dataflow.io import ImageIO
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.testing import image_server
from tests.kit.asking import ask_each_once, ask_once
from tests.kit.flow import draw

FORMATS = ("chat", "images")


def serving(url: str, folder: Path, api_format: str = "chat", **options: object) -> APIVLMServing_openai:
    io = ImageIO(str(folder / "made"))
    return APIVLMServing_openai(url, model_name="m", image_io=io, api_format=api_format, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api_format", FORMATS)
def test_pictures_arrive_as_real_files_and_differ_by_what_was_asked(
    tmp_path: Path, api_format: str, stream: bool
) -> None:
    red, blue = (str(draw(tmp_path / f"{colour}.png", colour)) for colour in ("red", "blue"))
    requests = [Request("a cat"), Request("a cat", (red,)), Request("a cat", (red, blue)), Request("a dog", (red,))]
    colours = set()
    with image_server() as url:
        asked = serving(url, tmp_path, api_format, send_request_stream=stream)
        for request in requests:
            (made,) = ask_once(asked, request).pictures
            with Image.open(made.path) as picture:
                assert (picture.format, picture.size) == ("PNG", (64, 64))
                colours.add(picture.getpixel((0, 0)))
    assert len(colours) == len(requests)


@pytest.mark.parametrize("api_format", FORMATS)
def test_a_script_sees_prompt_and_pictures_byte_for_byte_and_decides(tmp_path: Path, api_format: str) -> None:
    files = [draw(tmp_path / "red.png", "red"), draw(tmp_path / "blue.png", "blue", (90, 70))]
    sent = [file.read_bytes() for file in files]
    seen: list[tuple[str, list[bytes]]] = []

    def script(prompt: str, images: Sequence[bytes]) -> bytes:
        seen.append((prompt, list(images)))
        return images[1]

    with image_server(script) as url:
        answer = ask_once(serving(url, tmp_path, api_format), Request("swap\r\n--x", tuple(map(str, files))))
    assert Path(answer.pictures[0].path).read_bytes() == sent[1]
    assert seen == [("swap\r\n--x", sent)]


def test_the_images_api_draws_the_size_that_is_asked_for(tmp_path: Path) -> None:
    with image_server() as url:
        (picture,) = ask_once(serving(url, tmp_path, "images"), Request("a cat", size=(96, 32))).pictures
    assert (picture.width, picture.height) == (96, 32)


def test_text_is_an_answer_over_chat_and_a_refusal_over_images(tmp_path: Path) -> None:
    with image_server(lambda prompt, images: f"{prompt}? no") as url:
        said = ask_once(serving(url, tmp_path), Request("why", makes="text"))
        refused = ask_once(serving(url, tmp_path, "images"), Request("draw"))
    assert (said.text, said.error) == ("why? no", None)
    assert "draw? no" in str(refused.error)


def test_a_status_is_a_failure_of_that_kind(tmp_path: Path) -> None:
    replies: list[int | str] = [401, 429]
    with image_server(lambda prompt, images: replies.pop(0)) as url:
        answers = ask_each_once(serving(url, tmp_path), [Request("a", makes="text"), Request("b", makes="text")])
    assert [answer.error.kind for answer in answers] == ["fatal", "wait"]


def test_what_a_script_raises_reaches_whoever_asked() -> None:
    with image_server(lambda prompt, _: {"": b""}[prompt]) as url, pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url + "/images/generations", data=b'{"prompt": "a cat"}')
    with caught.value as error:
        assert error.code == 500
        assert b"the script raised KeyError: 'a cat'" in error.read()


def test_another_address_says_which_are_served() -> None:
    with image_server() as url, pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url + "/models", data=b"{}")
    with caught.value as error:
        assert error.code == 404
        assert b"/v1/chat/completions" in error.read()
