"""Lines fit their width, Chinese breaks anywhere but before its commas, nothing crashes."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataflow.io.lettering import FONT_FILE, font, height, wrap, write

ENGLISH = "Change the woman's clothes to a white dress and keep everything else as it is."
CHINESE = "把咖啡杯和碟子换成青花瓷的，咖啡和木桌保持不变。"


def glyph(character: str) -> bytes:
    return bytes(font(24).getmask(character))


def test_the_font_is_small_and_has_its_licence_beside_it() -> None:
    assert FONT_FILE.stat().st_size < 2_000_000
    assert "SIL OPEN FONT LICENSE" in (FONT_FILE.parent / "OFL.txt").read_text(encoding="utf-8")


def test_it_has_ascii_latin_1_and_every_character_of_gb2312() -> None:
    box = glyph("\U0001f600")
    assert any(box)
    kept = [chr(c) for c in (*range(0x21, 0x7F), *range(0xA1, 0x100)) if c != 0xAD]
    pairs = [bytes([high, low]) for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF)]
    chinese = "".join(pair.decode("gb2312", "ignore") for pair in pairs)
    assert len(chinese) == 6763
    kept += chinese
    kept += "，。、；：！？（）《》「」『』【】“”‘’…—～·￥"
    assert [character for character in kept if glyph(character) == box] == []


def test_words_stay_whole_and_lines_fit() -> None:
    lines = wrap(ENGLISH, size=20, width=240)
    assert " ".join(lines) == ENGLISH
    assert all(font(20).getlength(line) <= 240 for line in lines)


def test_chinese_breaks_between_characters_but_not_before_a_comma() -> None:
    for width in range(60, 400, 7):
        lines = wrap(CHINESE, size=20, width=width)
        assert "".join(lines) == CHINESE
        assert all(font(20).getlength(line) <= width for line in lines)
        assert not any(line.startswith(("，", "。")) for line in lines)


def test_mixed_text_keeps_its_words() -> None:
    assert wrap("把logo换成OpenDay字样", size=20, width=130) == ["把logo换成", "OpenDay字样"]


def test_a_word_wider_than_a_line_is_cut() -> None:
    lines = wrap("a" * 100, size=20, width=100)
    assert "".join(lines) == "a" * 100
    assert all(font(20).getlength(line) <= 100 for line in lines)


def test_too_many_lines_end_in_an_ellipsis() -> None:
    for text in (ENGLISH, CHINESE * 4, "a\nb\nc\nd"):
        lines = wrap(text, size=20, width=200, lines=2)
        assert len(lines) == 2
        assert lines[-1].endswith("…")
        assert font(20).getlength(lines[-1]) <= 200


def test_line_breaks_are_kept_and_nothing_is_no_line() -> None:
    assert wrap("one\n\ntwo\r\nthree", size=20, width=500) == ["one", "", "two", "three"]
    assert wrap(" \n ", size=20, width=500) == []


@settings(deadline=None)
@given(st.text(max_size=80), st.integers(1, 300), st.sampled_from([None, 1, 3]))
def test_any_text_is_drawn(text: str, width: int, lines: int | None) -> None:
    image = Image.new("RGB", (300, 200), "white")
    taken = write(image, (0, 0), text, size=14, width=width, colour="black", lines=lines)
    assert lines is None or taken <= height(lines, size=14)


@pytest.mark.parametrize("text", ["Hello", "你好", "\U0001f600"])
def test_text_leaves_ink_within_its_height(tmp_path: Path, text: str) -> None:
    image = Image.new("RGB", (200, 100), "white")
    taken = write(image, (10, 20), text, size=24, width=180, colour="#000000")
    left, top, right, bottom = image.convert("L").point(lambda level: 255 - level).getbbox() or (0, 0, 0, 0)
    assert left >= 10
    assert top >= 20
    assert right > left
    assert bottom <= 20 + taken
