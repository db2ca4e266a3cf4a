import orjson
import pytest

from dataflow.serving.dialects.stream import read_body

EVENT = {"a": [1, {"b": "x\u2028y"}], "c": "data: {}"}
LINE = b"data: " + orjson.dumps(EVENT)
INDENTED = b"\n".join(b"data: " + line for line in orjson.dumps(EVENT, option=orjson.OPT_INDENT_2).split(b"\n"))
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    "body",
    [
        LINE + b"\n\n" + LINE + b"\n\n" + DONE,
        LINE + b"\n" + LINE + b"\n" + DONE,
        INDENTED + b"\n\n" + INDENTED + b"\n\n" + DONE,
        INDENTED + b"\n\n" + LINE + b"\n" + DONE,
        LINE + b"\n" + INDENTED + b"\n" + DONE,
        b": on\n\nevent: x\nid: 1\n"
        + INDENTED.replace(b"\n", b"\nid: 2\n: on\n")
        + b"\n\n"
        + LINE
        + b"\n"
        + DONE.strip(),
        (INDENTED + b"\n\n" + LINE + b"\n\n" + DONE).replace(b"\n", b"\r\n"),
        (INDENTED + b"\n\n" + LINE + b"\n\n" + DONE).replace(b"\n", b"\r"),
    ],
)
def test_an_event_may_have_several_lines(body):
    read = read_body(body)
    assert (read.objects, read.done, read.broken, read.trouble) == ((EVENT, EVENT), True, False, "")


def test_an_event_of_several_lines_that_is_cut_anywhere_is_broken():
    body = LINE + b"\n\n" + INDENTED
    for at in range(len(LINE) + 10, len(body)):
        read = read_body(body[:at])
        assert (read.objects, read.done, read.broken) == ((EVENT,), False, not body[:at].endswith(b"\n\n")), at
    assert read_body(body).objects == (EVENT, EVENT)


@pytest.mark.parametrize("after", [b"\n\n" + LINE + b"\n\n", b"\n" + DONE, b"\n\n" + DONE])
def test_lines_that_are_no_event_together_are_truncated(after):
    assert read_body(b"data: {\ndata: oops" + after).trouble == "truncated"


@pytest.mark.parametrize("zeros", [{"prompt_tokens": 0, "completion_tokens": 0}, {}, None])
def test_zeros_behind_a_usage_do_not_hide_it(zeros):
    events = [{"usage": {"prompt_tokens": 9}}, {"usage": {"prompt_tokens": 10, "completion_tokens": 1290}}]
    body = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in [*events, {"usage": zeros}])
    assert read_body(body + DONE).usage() == {"prompt_tokens": 10, "completion_tokens": 1290}
    body = b"data: " + orjson.dumps({"usageMetadata": zeros}) + b"\n\n"
    assert not any(read_body(body + DONE).usage("usageMetadata").values())


def test_one_object_a_line_is_a_stream_that_breaks_off_only_within_a_line():
    line = orjson.dumps(EVENT)
    body = line + b"\r\n\n" + line + b"\n"
    assert read_body(b" \n" + body).objects == (EVENT, EVENT)
    for at in range(len(line) + 4, len(body)):
        read = read_body(body[:at])
        whole = at >= len(body) - 1
        assert (read.streamed, read.done, read.broken) == (True, False, not whole), at
        assert read.objects == ((EVENT, EVENT) if whole else (EVENT,)), at
    assert read_body(body + b"[DONE]\n").done


@pytest.mark.parametrize("body", [b'{\n "a": {}\n "b"', b'{"a": 1\n}x', b'{"a": {}\n', b'{"a": 1}}\n{"a": 1}\n'])
def test_lines_of_one_object_are_no_stream(body):
    assert read_body(body).trouble == "truncated"


def test_a_body_encoded_twice_is_read_and_one_of_very_many_values_is_not():
    assert read_body(orjson.dumps(orjson.dumps(EVENT).decode())).objects == (EVENT,)
    assert read_body(orjson.dumps("well")).trouble == "not_json"
    many = orjson.dumps(orjson.dumps([0] * 100_002).decode()).replace(b",", b"\\u002c")
    assert read_body(many, arrays=True).trouble == "not_json"
