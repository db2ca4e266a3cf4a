"""Masks: which part of a picture an edit may change. White may change and black stays; grey counts from the middle.

A mask says it by its levels, as diffusers has it. APIs that say it by transparency get a file of their own made of it.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from dataflow.core.records import PictureFacts, Request
from dataflow.errors import RowError
from dataflow.io.colour import to_rgb
from dataflow.io.decode import INPUT_FORMATS, BadPicture, decode
from dataflow.io.image import bytes_of

if TYPE_CHECKING:
    from PIL import Image

_WHITE = 128  # the darkest level that counts as white, as for VaeImageProcessor.binarize of diffusers


def check_mask(request: Request, facts: Sequence[PictureFacts]) -> None:
    """Check that a request's mask fits its first picture, before anything is paid.

    Args:
        request: with a mask.
        facts: of its files, in the order of `all_files`.

    Raises:
        RowError: there is no picture, the mask is one of the pictures, or their sizes differ.
    """
    if not request.images:
        raise RowError(f"mask {request.mask} belongs to no picture: give the row one")
    if request.mask in request.all_images():
        raise RowError(f"mask {request.mask} is one of the row's pictures: give a file of its own")
    first, mask = facts[len(request.all_images()) - len(request.images)], facts[-1]
    check_mask_size(request, (mask.width, mask.height), (first.width, first.height))


def check_mask_size(request: Request, mask: tuple[int, int], picture: tuple[int, int]) -> None:
    """Check that a mask is as large as its picture; both as width and height in pixels.

    Raises:
        RowError: it is not.
    """
    if mask != picture:
        raise RowError(
            f"mask {request.mask} is {mask[0]} x {mask[1]}, but its picture {request.images[0]} is"
            f" {picture[0]} x {picture[1]}: give a mask of that size"
        )


def read_mask(path: str, facts: PictureFacts | None = None) -> "Image.Image":
    """A mask in mode L, upright, of nothing but 0 and 255.

    Args:
        path: absolute.
        facts: what the file was when the request got its id; None: whatever it is now will do.

    Raises:
        RowError: as `ImageIO.read`; it has transparent pixels, or nothing in it is white.
    """
    try:
        image = decode(bytes_of(path, facts), INPUT_FORMATS)
        if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
            raise RowError(
                f"mask {path} has transparent pixels, which some read as white and others as black: save it without,"
                f" white where the picture may change"
            )
        mask = binarised(to_rgb(image).convert("L"))
    except BadPicture as error:
        raise RowError(f"mask {path} {error}") from error
    if mask.getextrema() == (0, 0):
        raise RowError(
            f"mask {path} is black all over, so nothing may change: make white (255, not 1) what the edit is about"
        )
    return mask


def binarised(mask: "Image.Image") -> "Image.Image":
    """A picture of mode L with each level as 0 or 255."""
    return mask.point([255 * (level >= _WHITE) for level in range(256)])


def transparent_mask(mask: "Image.Image") -> tuple[str, bytes]:
    """A mask as OpenAI's APIs take it: the MIME type and bytes of a PNG, transparent where the picture may change.

    Its colours are those of the mask, so that a server which reads levels instead reads the same.

    Source: `mask` in `openai/resources/images.py` of openai-python: "fully transparent areas (e.g. where alpha is
    zero) indicate where `image` should be edited ... have the same dimensions as `image`".

    Args:
        mask: as `read_mask` gives it.
    """
    from PIL import Image, ImageChops

    file = BytesIO()
    Image.merge("RGBA", (mask, mask, mask, ImageChops.invert(mask))).save(file, "PNG", compress_level=1)
    return "image/png", file.getvalue()
