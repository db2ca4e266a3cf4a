"""Pictures on their way out: a hard link, else a reflink or a copy, else one PNG of upright 8-bit RGB.

A link costs 13 µs and no room, and shares the file with the cache: whoever draws into an exported picture draws into
the cache. Baking is the only place where pixels are touched, so all formats have the same ones.
"""

import errno
import fcntl
import os
import shutil
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import RowError
from dataflow.export.manifests import has_manifest
from dataflow.export.records import Bake, Image
from dataflow.io.colour import encode, to_rgb, upright
from dataflow.io.decode import INPUT_FORMATS, BadPicture, decode, decoding
from dataflow.io.encode import rgb_png
from dataflow.io.image import bytes_of
from dataflow.io.masks import read_mask

if TYPE_CHECKING:
    from PIL import Image as Pillow

_FICLONE = 0x40049409  # Source: linux/fs.h, _IOW(0x94, 9, int)
# The file system has no links, or not to there, or the file has too many, or belongs to another user.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class Pictures:
    """The pictures of one export, as files or as bytes.

    Args:
        folder: of those that were baked, once for all formats; it is made when it is needed.

    Attributes:
        linked, copied, baked: how many files went out so.
        manifests_lost: how many of the baked ones had a C2PA manifest.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.linked = self.copied = self.baked = self.manifests_lost = 0

    def place(self, image: Image, target: str) -> None:
        """Give a picture a name in the export.

        Args:
            image: of a record.
            target: path of a file that is not there yet, in a folder that is; its ending is the image's.

        Raises:
            RowError: the file in the cache cannot be read any more.
        """
        source = image.path if image.bake is None else str(self._baked(image))
        if os.path.islink(source):  # noqa: PTH114 - once per picture; a link to a link would lead nowhere from there
            source = os.path.realpath(source)
        try:
            os.link(source, target)
            self.linked += image.bake is None
        except FileNotFoundError:
            raise RowError(f"picture {source} is gone since the export began") from None
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            copy_file(source, target)
            self.copied += image.bake is None

    def read(self, image: Image) -> bytes:
        """The bytes of the file that goes out, in the format that `image.ending` names.

        Raises:
            RowError: the file in the cache cannot be read any more.
        """
        return bytes_of(image.path) if image.bake is None else self._baked(image).read_bytes()

    def _baked(self, image: Image) -> Path:
        assert image.bake is not None
        how = image.bake
        name = f"{image.sha256}_{how.profile:d}{how.mask:d}"
        path = self._folder / (name if how.canvas is None else f"{name}_{how.canvas[0]}x{how.canvas[1]}")
        if not path.exists():
            self._folder.mkdir(exist_ok=True)
            path.write_bytes(bake(image.path, how))
            self.baked += 1
            self.manifests_lost += has_manifest(bytes_of(image.path))
        return path


def copy_file(source: str, target: str) -> None:
    """A file of its own: sharing its blocks where the file system can, else a copy."""
    with open(source, "rb") as old, open(target, "wb") as new:  # noqa: PTH123 - descriptors
        try:
            fcntl.ioctl(new, _FICLONE, old.fileno())
        except OSError:
            shutil.copyfileobj(old, new, 1 << 20)


def bake(path: str, how: Bake) -> bytes:
    """A picture as a PNG: upright, alpha over white, 8-bit RGB; a mask as 8-bit grey of 0 and 255.

    Args:
        path: absolute.
        how: see `Bake`.

    Raises:
        RowError: it cannot be read, or is no such picture.
    """
    if how.mask:
        mask = read_mask(path)
        return encode(mask if how.canvas is None else centred(mask, how.canvas, "black"), "png", 100)
    try:
        image = decode(bytes_of(path), INPUT_FORMATS)
        with decoding(b""):
            rgb = to_rgb(in_srgb(image) if how.profile else image)
    except BadPicture as error:
        raise RowError(f"picture {path} {error}") from error
    rgb.info = {}
    return rgb_png(rgb if how.canvas is None else centred(rgb, how.canvas, "white"))


def centred(image: "Pillow.Image", canvas: tuple[int, int], ground: str) -> "Pillow.Image":
    """A picture in the middle of a ground that is nowhere smaller; both in pixels."""
    from PIL import Image as Pillow

    found = Pillow.new(image.mode, canvas, ground)
    found.paste(image, ((canvas[0] - image.width) // 2, (canvas[1] - image.height) // 2))
    return found


def in_srgb(image: "Pillow.Image") -> "Pillow.Image":
    """A picture with its colour profile applied, its transparency kept; unchanged where the profile does not fit."""
    from PIL import ImageCms

    turned = upright(image)
    profile = image.info.get("icc_profile")
    if turned.mode in ("P", "PA"):
        turned = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
    alpha = turned.getchannel("A") if turned.mode in ("RGBA", "LA") else None
    colours = turned.convert({"RGBA": "RGB", "LA": "L"}.get(turned.mode, turned.mode))
    try:
        given = ImageCms.getOpenProfile(BytesIO(profile or b""))
        found = ImageCms.profileToProfile(colours, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    assert found is not None
    found.info = {}
    if alpha is not None:
        found.putalpha(alpha)
    return found
