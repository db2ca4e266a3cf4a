"""Puts pictures into an export: as a hard link, a reflink or a copy of the file, or baked as a PNG.

A link costs 13 µs and no room, but shares the file with the cache: a program that writes into an exported picture
writes into the cache. To bake a picture is to make it anew as one PNG of upright 8-bit RGB. Only `bake` touches pixels,
so all formats have the same ones.
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
# A link fails where the file system has none, between two disks, at too many links, and for another user's file.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class Pictures:
    """The pictures of one export, as files or as bytes.

    Args:
        folder: where baked pictures are kept for all formats; it is made when the first is baked.

    Attributes:
        linked: how many files went out as hard links.
        copied: how many files went out as copies or reflinks.
        baked: how many pictures were baked.
        manifests_lost: how many of the baked pictures had a C2PA manifest.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.linked = self.copied = self.baked = self.manifests_lost = 0

    def place(self, image: Image, target: str) -> None:
        """Put a picture into the export as a file.

        Args:
            image: of a record.
            target: path of the new file, in an existing folder; it ends in `image.ending`.

        Raises:
            RowError: the file in the cache can no longer be read.
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
            RowError: the file in the cache can no longer be read.
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
    """Copy a file; the copy shares its blocks with the file (a reflink) where the file system can do that."""
    with open(source, "rb") as old, open(target, "wb") as new:  # noqa: PTH123 - descriptors
        try:
            fcntl.ioctl(new, _FICLONE, old.fileno())
        except OSError:
            shutil.copyfileobj(old, new, 1 << 20)


def bake(path: str, how: Bake) -> bytes:
    """Make a picture anew as a PNG: upright, alpha over white, 8-bit RGB; a mask as 8-bit grey of 0 and 255.

    Args:
        path: absolute.
        how: what else to do, see `Bake`.

    Raises:
        RowError: the file cannot be read, or holds no picture or mask that can be decoded.
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
    """A picture in the middle of a canvas.

    Args:
        image: the picture.
        canvas: width and height in pixels, neither below the picture's.
        ground: colour of the canvas.
    """
    from PIL import Image as Pillow

    found = Pillow.new(image.mode, canvas, ground)
    found.paste(image, ((canvas[0] - image.width) // 2, (canvas[1] - image.height) // 2))
    return found


def in_srgb(image: "Pillow.Image") -> "Pillow.Image":
    """A picture in sRGB by its colour profile, with its transparency; unchanged where the profile cannot be applied."""
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
