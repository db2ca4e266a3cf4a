"""Makes the `Image` of a record from a picture file, once the file is known to be whole and unchanged.

Size, digest and dimensions come from the journal's index, as long as the file's stamp is the same. A hard link changes
the stamp of a file that nobody wrote to, since its ctime is the time of the last link, and exports make links. So a
file of the known size that was not written since the step finished counts as unchanged too. Any other file that the
index knows is read, and its digest compared; a file that the index does not know is decoded once.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from dataflow.core.records import PictureFacts
from dataflow.errors import RowError
from dataflow.export.makers import Makers
from dataflow.export.plain import Look, look_at
from dataflow.export.records import Bake, Image
from dataflow.io.image import check_picture
from dataflow.io.masks import read_mask
from dataflow.journal.picture_facts import KnownPictures
from dataflow.utils.files import sha256_of_file, stamp_of

_MOST_KEPT = 4_000


class UnusablePicture(RowError):
    """A picture file of a row is missing, empty, damaged, or no mask where the row needs one."""


class ChangedPicture(UnusablePicture):
    """A picture file has other bytes than when its row was made."""


@contextmanager
def errors_of_pictures() -> Iterator[None]:
    """Raise every RowError of the block as an UnusablePicture, so that the error names what is wrong with the row."""
    try:
        yield
    except UnusablePicture:
        raise
    except RowError as error:
        raise UnusablePicture(str(error)) from error


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture file that was looked at.

    Args:
        image: the picture as it goes out, whatever the other pictures of its record are.
        look: what the file's header shows.
    """

    image: Image
    look: Look


class Images:
    """Looks at picture files; a file that several rows share is read once.

    Args:
        known: the journal's facts about pictures.
        makers: says who made a picture.
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
            ChangedPicture: the file has other bytes than when its row was made.
            RowError: the file cannot be read, or is damaged.
        """
        key = (path, worker, source_type)
        if (seen := self._seen.get(key)) is None:
            look = look_at(path)
            sha256, size, width, height = self._facts(path)
            bake = None if look.is_plain else Bake(profile=look.mode == "CMYK" and bool(look.profile))
            by = self._makers.made_by(path, worker, source_type=source_type)
            seen = Seen(Image(path, sha256, size, width, height, look.kind, bake, by), look)
            if len(self._seen) >= _MOST_KEPT:
                self._seen.clear()
            self._seen[key] = seen
        return seen

    def mask(self, path: str) -> Image:
        """Look at a mask, and at its pixels: a mask that is black all over lets the edit change nothing.

        Args:
            path: absolute.

        Raises:
            ChangedPicture: as `see`.
            RowError: as `see`, or `read_mask` refuses the mask.
        """
        read_mask(path)
        return replace(self.see(path, "").image, bake=Bake(mask=True))

    def _facts(self, path: str) -> tuple[str, int, int, int]:
        """SHA-256, bytes, width and height in pixels of a file that is unchanged."""
        try:
            now = os.stat(path)  # noqa: PTH116 - twice as fast, and once per picture
            known = self._known.facts(path)
            if known is not None and self._is_unchanged(known, now):
                return known.sha256, known.size, known.width, known.height
            expected = known or self._facts_of_answer(path)
            if expected is None:
                sha256, width, height = check_picture(path)
                return sha256, now.st_size, width, height
            if expected.size != now.st_size or sha256_of_file(path) != expected.sha256:
                raise ChangedPicture(f"picture {path} is another one than when its row was made: run the step again")
        except OSError as error:
            raise RowError(f"picture {path} cannot be read: {error.strerror}") from None
        return expected.sha256, expected.size, expected.width, expected.height

    def _is_unchanged(self, known: PictureFacts, now: os.stat_result) -> bool:
        if known.stamp == stamp_of(now):
            return True
        return known.size == now.st_size and now.st_mtime <= self._finished

    def _facts_of_answer(self, path: str) -> PictureFacts | None:
        """The facts in the journal's answer after whose request the file is named; they hold after a move, too."""
        found = self._makers.answer_of(path)
        if found is None or found[1] >= len(found[2].pictures):
            return None
        picture = found[2].pictures[found[1]]
        return PictureFacts(picture.size, 0, picture.sha256, picture.width, picture.height)
