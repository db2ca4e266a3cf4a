import math

import orjson
import pytest

from dataflow.core.records import JSON
from dataflow.serving.dialects.lenient import dumps, loads, whole_text


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'{"a": "\\ud83d"}', {"a": "\ud83d"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'["a\nb\tc"]', ["a\nb\tc"]),
        (b'[Infinity, "\xf0\x9f"]', [math.inf, "\udcf0\udc9f"]),
        (b'["\\ud83d", 12345678901234567890123]', ["\ud83d", 1.2345678901234568e22]),
        (b'["\\ud83d", ' + b"9" * 9000 + b"]", ["\ud83d", math.inf]),
    ],
)
def test_what_servers_write_is_read(written, value):
    assert loads(written) == value
    assert loads(memoryview(written)) == value


@pytest.mark.parametrize("written", [b"", b'{"a": "\\ud83d', b'{"a": NaN', b'{"a":' * 100_000, b"{}x", b"[" * 100_000])
def test_what_is_cut_or_is_no_json_is_refused(written):
    with pytest.raises(ValueError):
        loads(written)


def test_what_was_read_can_be_written():
    assert orjson.loads(dumps({"a": "\ud83d", "b": "余额不足"})) == {"a": "?", "b": "余额不足"}
    assert dumps([math.nan]) == b"[null]"
    deep: JSON = []
    for _ in range(100_000):
        deep = [deep]
    assert dumps(deep) == b""


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("plain", "plain"),
        ("画好了 😀", "画好了 😀"),
        ("\ud83d\ude00", "😀"),
        ("\udcf0\udc9f\udc98\udc80", "😀"),
        ("\ud83d\udc80\udcff", "💀\ufffd"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
    ],
)
def test_halves_become_whole(text, whole):
    assert whole_text(text) == whole
    whole.encode()
