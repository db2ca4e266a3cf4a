"""Every shape in which a picture comes back, through the real serving and a real server."""

import pytest

from dataflow.core.records import Request
from dataflow.io import ImageIO
from dataflow.io.decode import sniff
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.kit import shapes
from tests.kit.asking import ask_each_once, ask_once
from tests.kit.drawing import draw, draw_png, mark_of, read_mark
from tests.kit.loopback import Act, LoopbackServer
from tests.kit.wiretap import Wiretap

RED, BLUE = draw_png(mark_of("red")), draw("jpeg", mark_of("blue"))
KINDS = ("png", "jpeg", "webp")
WAYS = [(shape, stream, kind) for shape in shapes.FORMATS for stream in (False, True) for kind in KINDS]


@pytest.fixture
def make(tmp_path):
    def serving(url, shape, **options):
        options = {"model_name": "nano", "image_io": ImageIO(save_path=tmp_path / "made"), **options}
        return APIVLMServing_openai(url, api_format=shapes.FORMATS[shape], **options)

    return serving


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "red.png").write_bytes(RED)
    (tmp_path / "blue.jpg").write_bytes(BLUE)
    return str(tmp_path / "red.png"), str(tmp_path / "blue.jpg")


@pytest.mark.parametrize(("shape", "stream", "kind"), WAYS)
def test_every_shape_ends_as_the_right_picture_on_disk(make, pictures, shape, stream, kind):
    with LoopbackServer(shape=shape, kind=kind) as server:
        answer = ask_once(make(server.url, shape, send_request_stream=stream), Request("swap", pictures))
    assert answer.error is None
    (picture,) = answer.pictures
    with open(picture.path, "rb") as file:
        data = file.read()
    expected = mark_of("swap", [RED, BLUE])
    assert (sniff(data), data) == (kind, draw(kind, expected))
    if kind == "png":
        assert read_mark(picture.path) == expected
    assert 1290 in answer.usage.values()
    assert server.asked[0].images == (RED, BLUE)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("shape", [shape for shape in shapes.FORMATS if shape not in ("image", "bare")])
@pytest.mark.parametrize("asked", [{}, {"n": 1}, {"n": 3}])
def test_several_pictures_keep_their_order_and_unasked_the_last_is_the_result(make, shape, stream, asked):
    with LoopbackServer(shape=shape, count=3) as server:
        answer = ask_once(make(server.url, shape, send_request_stream=stream, extra_body=asked), Request("x"))
    first = mark_of("x")
    marks = [first, *(mark_of(f"{first.hex()}{k}") for k in (1, 2))]
    assert [read_mark(picture.path) for picture in answer.pictures] == (marks if asked.get("n") == 3 else marks[-1:])


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("shape", ["markdown", "b64_json", "responses", "gemini"])
def test_a_server_that_streams_or_not_as_it_likes_is_understood(make, shape, streams):
    with LoopbackServer(shape=shape, streams=streams) as server:
        assert ask_once(make(server.url, shape, send_request_stream=not streams), Request("x")).error is None


@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("shape", ["markdown", "b64_json", "responses", "gemini"])
def test_a_reply_cut_here_and_there_is_no_picture_and_is_asked_again(make, shape, stream, clean):
    body = (shapes.streamed if stream else shapes.whole)(shape, [RED])
    cuts = [1, 6, 40, len(body) // 2, len(body) * 3 // 4]
    acts = [Act(body=body, cut=cut, clean=clean) for cut in cuts]
    with LoopbackServer(shape=shape, acts=acts) as server:
        answers = ask_each_once(make(server.url, shape, send_request_stream=stream), [Request("x")] * len(cuts))
    for answer in answers:
        assert (answer.error.kind, answer.error.retries, answer.error.maybe_paid) == ("retry", 1, True)
        assert answer.pictures == ()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("shape", shapes.FORMATS)
def test_a_reply_cut_at_every_byte_is_no_picture_and_is_asked_again(make, shape, stream, clean):
    body = (shapes.streamed if stream else shapes.whole)(shape, [draw_png(mark_of("red"), 8, 2)])
    end = shapes.end_of(shape, body) if stream else len(body)
    with Wiretap(body, cuts=range(end), clean=clean) as tap:
        answers = ask_each_once(make(tap.url, shape, send_request_stream=stream), [Request("x")] * end)
    assert len(tap.sent) == end
    assert {(answer.error.kind, answer.pictures) for answer in answers} == {("retry", ())}
    # Where not one byte came the reply is blank if its end was clean; all others were being told.
    assert {(answer.error.retries, answer.error.maybe_paid) for answer in answers[1:]} == {(1, True)}
