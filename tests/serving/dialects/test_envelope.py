import orjson
import pytest

from dataflow.serving.dialects import DIALECTS
from dataflow.serving.dialects.envelope import error_of, message_of
from tests.kit import shapes
from tests.kit.drawing import draw_png, mark_of

PICTURE = draw_png(mark_of("red"), 8, 2)
ERRORS = [
    {"error": {"message": "no", "code": None}},
    {"error": "no"},
    {"error": True, "message": "no"},
    {"error": ["no"]},
    {"type": "error", "message": "no"},
    {"object": "error", "message": "no", "code": 40303},
    {"success": False, "message": "no", "data": []},
    {"success": False, "errors": [{"code": 10000, "message": "no"}]},
    {"code": 1113, "msg": "no", "success": False},
    {"code": "InvalidApiKey", "message": "no", "request_id": "7"},
    {"error_code": 17, "error_msg": "no", "log_id": 3},
    {"errcode": 40001, "errmsg": "no"},
    {"ret": -1, "retmsg": "no"},
    {"resultCode": "FAIL", "resultMsg": "no"},
    {"status": "failed", "message": "no"},
    {"code": -1, "detail": "no", "data": None, "choices": []},
    {"base_resp": {"status_code": 1008, "status_msg": "no"}, "choices": None},
]
GOOD = [
    {},
    {"error": None},
    {"error": {"message": "", "type": "", "param": "", "code": None}},
    {"error": {"code": 0, "message": "success"}},
    {"code": 0, "message": "success"},
    {"code": 200, "msg": "OK", "success": True},
    {"status": "processing", "message": "in line"},
    {"base_resp": {"status_code": 0, "status_msg": "success"}},
]


@pytest.mark.parametrize("event", ERRORS)
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_an_error_in_any_form_is_one_in_every_format_whole_and_in_a_stream(dialect, event):
    error = dialect.decode(orjson.dumps(event)).error
    assert message_of({"error": error}) in ("no", "")
    assert b'"no"' in orjson.dumps(error)
    assert dialect.decode(b"data: " + orjson.dumps(event) + b"\n\n").error == error


@pytest.mark.parametrize("event", GOOD)
def test_an_envelope_that_says_that_all_is_well_is_no_error(event):
    assert error_of(event) is None


@pytest.mark.parametrize("event", [*GOOD, {"code": 1, "message": "done"}])
@pytest.mark.parametrize("shape", shapes.FORMATS)
def test_an_answer_in_a_good_envelope_is_an_answer(shape, event):
    body = orjson.dumps({**event, **orjson.loads(shapes.whole(shape, [PICTURE]))})
    assert DIALECTS[shapes.FORMATS[shape]].decode(body).images == (PICTURE,)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "Bad Request", "error": {"message": "the reason"}}, "the reason"),
        ([{"error": {"message": "the reason"}}], "the reason"),
        ({"error": {"error": {"message": "the reason"}}}, "the reason"),
        ({"errors": [{"code": 1}, {"message": "the reason"}]}, "the reason"),
        ({"detail": [{"loc": ["body", "n"], "msg": "Field required"}]}, ""),
        ({"detail": "the reason"}, "the reason"),
        ("the reason", ""),
    ],
)
def test_the_message_is_found_wherever_it_stands(body, message):
    assert message_of(body) == message
