"""Estimates the room that an export takes, so that a full disk is found before the first byte is written."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from dataflow.errors import ConfigError
from dataflow.export.formats import Format
from dataflow.export.records import Record

_BAKED = 1.5  # bytes of a PNG for each pixel of a photograph, about
_TEXTS = 8192  # bytes of a record's text file, names and lines in lists: two blocks of a disk


class Space:
    """Adds up the room that records will take.

    Args:
        folder: an existing folder on the export's disk; pictures on the same disk become links and take no room.
        formats: the formats that the records go to.
    """

    def __init__(self, folder: Path, formats: Sequence[Format]) -> None:
        self._device = folder.stat().st_dev
        self._has_tree = any(form.tree for form in formats)
        self._copies = sum(not form.tree for form in formats)
        self._devices: dict[str, int] = {}
        self.bytes = 0
        """An estimate of the bytes of all records so far."""

    def note(self, record: Record) -> None:
        """Add the room that a record takes."""
        for image in record.all_images():
            width, height = image.shape
            size = image.size if image.bake is None else int(width * height * _BAKED)
            is_link = image.bake is None and self._device_of(image.path) == self._device
            self.bytes += size * (self._copies + (self._has_tree and not is_link))
        self.bytes += _TEXTS

    def _device_of(self, path: str) -> int:
        folder = path.rpartition("/")[0]
        if (device := self._devices.get(folder)) is None:
            device = self._devices[folder] = os.stat(folder).st_dev  # noqa: PTH116 - a name, as it stands in the image
        return device


def check_room(folder: Path, needed: int) -> None:
    """Check that a disk has enough room.

    Args:
        folder: an existing folder on the disk.
        needed: bytes.

    Raises:
        ConfigError: the disk has fewer free bytes.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ConfigError(
            f"the export takes some {needed / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB: make room, choose rows"
            f" with --where, or name an --out on the disk of the pictures, where links take none"
        )
