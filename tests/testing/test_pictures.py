"""The stand-in pictures are real files, told apart by their seed."""

from io import BytesIO

from PIL import Image

from dataflow.testing.pictures import plain_png


def test_a_picture_has_one_colour_and_the_size_that_is_asked_for() -> None:
    with Image.open(BytesIO(plain_png(b"seed", (5, 3)))) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (5, 3))
        assert len(picture.getcolors() or ()) == 1


def test_a_seed_always_gives_the_same_bytes_and_another_one_others() -> None:
    assert plain_png(b"a", (8, 8)) == plain_png(b"a", (8, 8)) != plain_png(b"b", (8, 8))
