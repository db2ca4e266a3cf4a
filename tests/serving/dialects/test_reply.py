import base64

import pytest

from dataflow.errors import ConfigError
from dataflow.serving.dialects.reply import Reply, UrlRef, first_pictures, read_picture

DATA = b"\x89PNG and more"  # 13 bytes: two "=" at the end
ENCODED = base64.b64encode(DATA).decode()


@pytest.mark.parametrize("encoded", [ENCODED, base64.b64encode(b"abc").decode() + "=="])
def test_more_padding_than_there_should_be_is_taken(encoded):
    assert read_picture(encoded) == base64.b64decode(encoded)


@pytest.mark.parametrize(
    "damaged", ["", ENCODED + "=", ENCODED[:-1], ENCODED[:-2], "=" + ENCODED, ENCODED + "A", "YW\nJj", "YW-_", "YWé="]
)
def test_anything_but_strict_base64_is_refused(damaged):
    with pytest.raises(ValueError):
        read_picture(damaged)


def test_a_picture_told_twice_is_one():
    address = "https://example.com/a.png"
    found, damaged = first_pictures([[ENCODED, f"data:image/png;base64,{ENCODED}", address, address, "?"], ["unread"]])
    assert (found, damaged) == ((DATA, UrlRef(address)), True)


def test_a_trouble_that_no_failure_stands_for_is_refused_where_it_is_made():
    with pytest.raises(ConfigError, match=r"trouble='no picture'\): use one of blank, html, .*, task"):
        Reply(trouble="no picture")  # type: ignore[arg-type]
