"""A line of the journal: whole or nothing, and the same answer back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from dataflow.core.records import Answer, Picture
from dataflow.errors import Failure, Kind
from dataflow.journal.lines import decode_answer, decode_line, encode_answer, encode_failure, encode_line

CACHE = Path("/w/cache")
ID = "0f" * 16


def round_trip(answer: Answer, cache: Path = CACHE) -> Answer:
    entry = decode_line(encode_line(encode_answer(ID, 0, answer, CACHE)))
    assert entry is not None
    return decode_answer(entry, cache)


def test_an_answer_comes_back_equal() -> None:
    inside = Picture("/w/cache/images/0f/a.png", "ab" * 32, 100, 8, 6)
    outside = Picture("/elsewhere/a.png", "cd" * 32, 2**40, 1, 1)
    answer = Answer((inside, outside), 'text "with" 引号\n', {"tokens": 3.5, "images": 1})
    assert round_trip(answer) == answer
    assert round_trip(Answer()) == Answer(usage={})


def test_a_picture_below_the_cache_moves_with_it() -> None:
    picture = Picture("/w/cache/images/0f/a.png", "ab" * 32, 100, 8, 6)
    moved = round_trip(Answer((picture,)), Path("/new"))
    assert moved.pictures[0].path == "/new/images/0f/a.png"


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_failure_comes_back_as_the_same_kind(kind: Kind) -> None:
    failure = Failure(kind, "why", said="their words", maybe_paid=True, usage={"tokens": 1})
    entry = decode_line(encode_line(encode_failure(ID, 2, failure, again=False)))
    assert entry is not None
    assert entry["class"] == kind
    assert decode_answer(entry, CACHE).error == replace(failure, attempts=3)
    assert entry["usage"] == {"tokens": 1}
    assert "again" not in entry
    assert encode_failure(ID, 2, failure, again=True)["again"] is True


def test_a_line_is_plain_json_that_any_tool_reads() -> None:
    line = encode_line({"t": "start", "id": ID, "n": 0})
    assert json.loads(line)["id"] == ID
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1


def test_every_flipped_bit_and_every_missing_byte_is_noticed() -> None:
    line = encode_line({"t": "start", "id": ID, "n": 0})
    for at in range(len(line)):
        assert decode_line(line[:at]) is None
        for bit in range(8):
            assert decode_line(line[:at] + bytes([line[at] ^ 1 << bit]) + line[at + 1 :]) is None
    assert decode_line(line) == {"t": "start", "id": ID, "n": 0}


@pytest.mark.parametrize("line", [b"", b"\n", b"{}\n", b"\0" * 64, b'[1],"crc":"00000000"}\n'])
def test_other_lines_are_none(line: bytes) -> None:
    assert decode_line(line) is None


def test_who_answered_comes_back_and_stands_only_where_it_is_said() -> None:
    answer = Answer(text="yes", usage={}, model="gpt-4o-2024-08-06", provider="Azure")
    assert round_trip(answer) == answer
    entry = encode_answer(ID, 0, Answer(text="yes"), CACHE)
    assert {"model", "provider"} & set(entry) == set()
    refused = encode_failure(ID, 0, Failure("refused", "why", model="gpt-4o"), again=False)
    assert decode_answer(refused, CACHE).error == Failure("refused", "why", model="gpt-4o", attempts=1)
    assert "model" not in encode_failure(ID, 0, Failure("refused", "why"), again=False)
