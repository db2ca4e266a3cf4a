import orjson
import pytest

from dataflow.core.records import Request, Turn
from dataflow.serving.dialects import images
from dataflow.serving.dialects.reply import UrlRef
from tests.kit import shapes
from tests.kit.drawing import draw_png, mark_of

RED, BLUE = draw_png(mark_of("red")), draw_png(mark_of("blue"))
ENCODED = {"/a.png": ("image/png", RED), "/b.png": ("image/jpeg", BLUE)}


def encode(request, **options):
    return images.encode(request, ENCODED, **{"model": "m", "fields": {"quality": "low"}, "stream": False, **options})


def test_without_pictures_it_is_a_generation():
    post = encode(Request("a cat", size=(1024, 768), turns=(Turn("system", "Be bold."),)), stream=True)
    assert post.path == "/images/generations"
    body = orjson.loads(post.content)
    assert body == {
        "model": "m",
        "prompt": "Be bold.\n\na cat",
        "size": "1024x768",
        "stream": True,
        "quality": "low",
    }


@pytest.mark.parametrize(("paths", "name"), [(("/a.png",), "image"), (("/a.png", "/b.png"), "image[]")])
def test_with_pictures_it_is_an_edit_with_one_file_each(paths, name):
    post = encode(Request("a cat", paths))
    assert (post.path, post.content, post.fields["quality"]) == ("/images/edits", b"", "low")
    assert [(file[0], file[2], file[3]) for file in post.files] == [(name, *ENCODED[path][::-1]) for path in paths]


@pytest.mark.parametrize("make", [shapes.whole, shapes.streamed])
def test_completed_pictures_are_kept_and_partial_ones_are_not(make):
    reply = images.decode(make("b64_json", [RED, BLUE]))
    assert (reply.images, reply.trouble, reply.usage["output_tokens"]) == ((RED, BLUE), "", 1290)


def test_a_stream_without_its_completed_event_is_truncated():
    body = shapes.streamed("b64_json", [RED], done=False)
    told = body.index(b'"image_generation.completed"')
    assert all(images.decode(body[:at]).trouble for at in range(1, told))
    assert images.decode(body).images == (RED,)


@pytest.mark.parametrize("make", [lambda item: {"url": item}, lambda item: {"b64_json": item, "url": None}])
def test_a_data_url_is_taken_in_either_field(make):
    assert images.decode(orjson.dumps({"data": [make(shapes.data_url(RED))]})).images == (RED,)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"data": [{"url": "https://a.example/1.png", "b64_json": None}]}, ((UrlRef("https://a.example/1.png"),), "")),
        ({"data": []}, ((), "empty")),
        ({"data": [{"b64_json": "@"}]}, ((), "bad_picture")),
        ({"data": [{"b64_json": None}]}, ((), "empty")),
        ({"task_id": "7"}, ((), "task")),
        ({"error": {"message": "x"}}, ((), "")),
    ],
)
def test_what_is_no_base64_says_what_it_is(body, expected):
    reply = images.decode(orjson.dumps(body))
    assert (reply.images, reply.trouble) == expected
    assert (reply.error is not None) == ("error" in body)


def test_a_mask_in_a_data_url_becomes_a_file():
    post = encode(Request("a cat", ("/a.png",)), fields={"mask": shapes.data_url(RED), "n": 2})
    assert [file[0] for file in post.files] == ["image", "mask"]
    assert post.files[1] == ("mask", "mask.png", RED, "image/png")
    assert post.fields == {"model": "m", "prompt": "a cat", "n": 2}


@pytest.mark.parametrize("name", ["image_edit.completed", "image_generation.completed"])
def test_a_preview_is_no_picture_whatever_its_fields(name):
    told = [{"type": name.replace("completed", "partial_image"), "data": [{"b64_json": "AAAA"}], "b64_json": "AAAA"}]
    told.append({"type": name, "b64_json": shapes.data_url(RED).partition(",")[2]})
    lines = [b"data: " + orjson.dumps(each) for each in told]
    assert images.decode(b"\n\n".join(lines)).images == (RED,)
    assert images.decode(b"\n\n".join([lines[0], b"data: [DONE]"])).trouble == "empty"


def test_a_stream_that_breaks_off_within_a_further_picture_is_truncated():
    body = shapes.streamed("b64_json", [RED, BLUE])
    second = body.rindex(b"event: ")
    assert images.decode(body[:second]).images == (RED,)
    for at in range(second + 1, len(body) - 2):
        assert images.decode(body[:at]).trouble == "truncated", body[second:at]


def test_with_a_mask_the_picture_that_it_belongs_to_comes_first():
    request = Request("make it red", ("/a.png",), turns=(Turn("user", "before", ("/b.png",)),), mask="/b.png")
    assert [file[2] for file in encode(request).files] == [RED, BLUE, BLUE]


@pytest.mark.parametrize(
    "body",
    [
        {"images": [{"url": shapes.data_url(RED)}]},
        {"images": [{"b64_json": shapes.data_url(BLUE)}, {"b64_json": shapes.data_url(RED)}]},
        {"data": {"b64_json": shapes.data_url(RED)}, "images": [{"url": "https://a.example/input.png"}]},
        {"data": {"images": [{"url": shapes.data_url(RED)}]}},
        {"data": [shapes.data_url(RED)]},
        {"data": [{"base64": shapes.data_url(RED)}]},
        {"data": [{"image": {"url": shapes.data_url(RED)}}, 7]},
    ],
)
def test_pictures_are_found_under_the_names_that_gateways_use(body):
    assert images.decode(orjson.dumps(body)).images[-1] == RED


def test_an_object_with_an_error_in_place_of_pictures_is_one():
    assert images.decode(orjson.dumps({"data": {"error": {"message": "no"}}})).error == {"message": "no"}
