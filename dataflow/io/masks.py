"""Read masks, which say what part of a picture an edit may change: white may change, black must stay.

Grey counts as white from the middle level on. A mask says so by its levels, as diffusers' masks do; APIs that say so by
transparency get a file that is made from the mask.
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
        request: has a mask.
        facts: those of the request's files, in the order of `Request.all_files`.

    Raises:
        RowError: the request has no picture, the mask is one of its pictures, or the sizes differ.
    """
    if not request.images:
        raise RowError(f"mask {request.mask} belongs to no picture: give the row one")
    if request.mask in request.all_images():
        raise RowError(f"mask {request.mask} is one of the row's pictures: give a file of its own")
    first, mask = facts[len(request.all_images()) - len(request.images)], facts[-1]
    check_mask_size(request, (mask.width, mask.height), (first.width, first.height))


def check_mask_size(request: Request, mask: tuple[int, int], picture: tuple[int, int]) -> None:
    """Check that a mask has the size of its picture.

    Args:
        request: has the mask, for the error's words.
        mask: width and height of the mask in pixels.
        picture: width and height of the picture in pixels.

    Raises:
        RowError: the sizes differ.
    """
    if mask != picture:
        raise RowError(
            f"mask {request.mask} is {mask[0]} x {mask[1]}, but its picture {request.images[0]} is"
            f" {picture[0]} x {picture[1]}: give a mask of that size"
        )


def read_mask(path: str, facts: PictureFacts | None = None) -> "Image.Image":
    """Read a mask: an upright picture in mode L whose levels are 0 and 255.

    Args:
        path: absolute.
        facts: the file as it was when the request got its id; None accepts the file as it is now.

    Raises:
        RowError: as `ImageIO.read`, or the mask has transparent pixels or no white ones.
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
    """A picture of mode L, each level of which becomes 0 or 255."""
    return mask.point([255 * (level >= _WHITE) for level in range(256)])


def transparent_mask(mask: "Image.Image") -> tuple[str, bytes]:
    """A mask as OpenAI's APIs take it: the MIME type and bytes of a PNG, transparent where the picture may change.

    The colours of the PNG are the mask's levels, so a server that reads levels instead of transparency reads the same.

    Source: `mask` in `openai/resources/images.py` of openai-python: "fully transparent areas (e.g. where alpha is
    zero) indicate where `image` should be edited ... have the same dimensions as `image`".

    Args:
        mask: as `read_mask` returns it.
    """
    from PIL import Image, ImageChops

    file = BytesIO()
    Image.merge("RGBA", (mask, mask, mask, ImageChops.invert(mask))).save(file, "PNG", compress_level=1)
    return "image/png", file.getvalue()
