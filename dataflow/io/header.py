"""The size of a picture file from its header, where a guess is enough: to put together what is of one size."""

from functools import lru_cache
from pathlib import Path

from dataflow.io.colour import shown_size
from dataflow.io.decode import INPUT_FORMATS, decoding


def header_size(path: str) -> tuple[int, int]:
    """Width and height in pixels of a picture file; a file that has not changed is opened once.

    Raises:
        OSError: there is no such file.
        BadPicture: it is no picture.
    """
    return _size_at(path, Path(path).stat().st_mtime_ns)


@lru_cache(maxsize=20_000)
def _size_at(path: str, _mtime: int) -> tuple[int, int]:
    """From the header alone; a PNG's EXIF would cost decoding it, and a wrong guess only a smaller batch."""
    from PIL import Image

    with decoding(b""), Image.open(path, formats=INPUT_FORMATS) as image:
        return image.size if image.format == "PNG" else shown_size(image)
