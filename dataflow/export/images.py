"""A picture file as an image of a record: whole, unchanged, and how it goes out.

Size, digest and dimensions come from what the journal's index knows, if the file's stamp is still the same. A hard link
changes the stamp of a file that nobody wrote to (its ctime is that of the last link), and exports make links: so a file
of the known size that was not written since the step was finished counts as unchanged too. What else differs is read
and its digest compared; what nobody has ever looked at is decoded once.
"""

import os
from dataclasses import dataclass, replace

from dataflow.core.records import PictureFacts
from dataflow.errors import RowError
from dataflow.export.makers import Makers
from dataflow.export.plain import Look, look_at
from dataflow.export.records import Bake, Image
from dataflow.io.image import check_picture
from dataflow.io.masks import read_mask
from dataflow.journal.known import KnownPictures
from dataflow.utils.files import sha256_of_file, stamp_of

_KEPT = 4_000


class ChangedPicture(RowError):
    """A picture file is another one than when its row was made."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file that was looked at: as it would go out alone, and what its header shows."""

    image: Image
    look: Look


class Images:
    """Looks at picture files, at one that several rows share once.

    Args:
        known: what the journal knows.
        makers: who made what.
        finished: when the step was finished, in seconds since 1970.
    """

    def __init__(self, known: KnownPictures, makers: Makers, finished: float) -> None:
        self._known, self._makers, self._finished = known, makers, finished
        self._seen: dict[tuple[str, str, str], Seen] = {}

    def see(self, path: str, worker: str, source_type: str = "") -> Seen:
        """Look at a picture.

        Args:
            path: absolute.
            worker: see `Makers.made_by`.
            source_type: see `Makers.made_by`.

        Raises:
            ChangedPicture: it is another one now.
            RowError: it cannot be read, or is damaged.
        """
        key = (path, worker, source_type)
        if (seen := self._seen.get(key)) is None:
            look = look_at(path)
            sha256, size, width, height = self._facts(path)
            bake = None if look.is_plain else Bake(profile=look.mode == "CMYK" and bool(look.profile))
            by = self._makers.made_by(path, worker, source_type=source_type)
            seen = Seen(Image(path, sha256, size, width, height, look.kind, bake, by), look)
            if len(self._seen) >= _KEPT:
                self._seen.clear()
            self._seen[key] = seen
        return seen

    def mask(self, path: str) -> Image:
        """Look at a mask, pixels too: rows have masks of their own, and one that is black all over allows nothing.

        Raises:
            RowError: as `see`, and as `read_mask`.
        """
        read_mask(path)
        return replace(self.see(path, "").image, bake=Bake(mask=True))

    def _facts(self, path: str) -> tuple[str, int, int, int]:
        """Digest, bytes, width and height of a file that is what it was."""
        try:
            now = os.stat(path)  # noqa: PTH116 - twice as fast, and once per picture
            known = self._known.facts(path)
            if known is not None and self._is_same(known, now):
                return known.sha256, known.size, known.width, known.height
            expected = known or self._as_made(path)
            if expected is None:
                sha256, width, height = check_picture(path)
                return sha256, now.st_size, width, height
            if expected.size != now.st_size or sha256_of_file(path) != expected.sha256:
                raise ChangedPicture(f"picture {path} is another one than when its row was made: run the step again")
        except OSError as error:
            raise RowError(f"picture {path} cannot be read: {error.strerror}") from None
        return expected.sha256, expected.size, expected.width, expected.height

    def _is_same(self, known: PictureFacts, now: os.stat_result) -> bool:
        if known.stamp == stamp_of(now):
            return True
        return known.size == now.st_size and now.st_mtime <= self._finished

    def _as_made(self, path: str) -> PictureFacts | None:
        """What the journal says of a picture by its name, wherever the directory was moved to."""
        found = self._makers.answer_of(path)
        if found is None or found[1] >= len(found[2].pictures):
            return None
        picture = found[2].pictures[found[1]]
        return PictureFacts(picture.size, 0, picture.sha256, picture.width, picture.height)
