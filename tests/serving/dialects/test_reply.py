import base64
from urllib.parse import quote

import pytest

from dataflow.errors import ConfigError
from dataflow.serving.dialects.reply import Reply, UrlRef, first_pictures, read_picture, read_usage

DATA = b"\xff\xff\xff\xfb\xef\xbeand more!!"  # 16 bytes: two "=" at the end
ENCODED = base64.b64encode(DATA).decode()


WRITTEN = {
    "as it is": ENCODED,
    "two more = than there should be": ENCODED + "==",
    "without =": ENCODED.rstrip("="),
    "lines of eight": "\r\n".join(ENCODED[at : at + 8] for at in range(0, len(ENCODED), 8)) + "\n",
    "indented lines": "\n  ".join(ENCODED[at : at + 8] for at in range(0, len(ENCODED), 8)),
    "escaped line breaks": ENCODED[:8] + "\\r\\n" + ENCODED[8:],
    "the alphabet of URLs": base64.urlsafe_b64encode(DATA).decode(),
    "the escapes of URLs": quote(ENCODED, safe=""),
    "blanks for +": ENCODED.replace("+", " "),
    "a data URL in a data URL": f"data:image/png;base64,data:image/png;base64,{ENCODED}",
    "a data URL with a character set": f" data:image/png;charset=utf-8;Base64 ,{ENCODED}",
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_every_writing_of_base64_gives_the_same_bytes(written):
    assert "+" in ENCODED
    assert "/" in ENCODED
    assert read_picture(written) == DATA


@pytest.mark.parametrize(
    "damaged", ["", "=", "A", ENCODED.rstrip("=")[:-1], "=" + ENCODED, ENCODED + "A", "YW=JJj==", "YWé=", "data:,AAAA"]
)
def test_what_is_no_base64_is_refused(damaged):
    with pytest.raises(ValueError):
        read_picture(damaged)


def test_a_picture_told_twice_is_one_and_stands_where_it_was_told_last():
    address = "https://example.com/a.png"
    url = f"data:image/png;base64,{ENCODED}"
    found, damaged = first_pictures([["?", ENCODED, address, url, address], ["unread"]])
    assert (found, damaged) == ((DATA, UrlRef(address)), True)
    assert first_pictures([[ENCODED, address, ENCODED]]) == ((UrlRef(address), DATA), False)


def test_a_draft_is_no_result_where_the_picture_after_it_is_damaged():
    assert first_pictures([[ENCODED, "?"]]) == ((), True)
    assert first_pictures([[ENCODED, "?"], ["QUJD"]]) == ((b"ABC",), True)


def test_halves_of_a_character_are_put_together_and_a_lone_one_is_replaced():
    reply = Reply(text="a \ud83d\ude00 b \udcf0\udc9f\udc98\udc80 c \ud83d", finish="st\udc80op")
    assert (reply.text, reply.finish) == ("a 😀 b 😀 c \ufffd", "st\ufffdop")


def test_a_trouble_that_no_failure_stands_for_is_refused_where_it_is_made():
    with pytest.raises(ConfigError, match=r"trouble='no picture'\): use one of blank, html, .*, task"):
        Reply(trouble="no picture")  # type: ignore[arg-type]


def test_a_usage_of_very_many_numbers_or_long_names_is_bounded():
    usage = read_usage({"prompt_tokens": 7, "x" * 501: 1, **{f"of kind {n}": n for n in range(60_000)}})
    assert (usage["prompt_tokens"], len(usage)) == (7, 200)
