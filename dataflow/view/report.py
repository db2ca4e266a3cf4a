"""Writes one HTML file to send to somebody: rows of a step with their pictures, or a sample to be labelled."""

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b
from io import BytesIO
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from dataflow.core.records import JSON, Row
from dataflow.errors import ConfigError, DataflowError, InputError
from dataflow.io.decode import BadPicture
from dataflow.utils.files import write_atomic
from dataflow.view.bundle import bundle, icon
from dataflow.view.cards import AFTER, BEFORE, MASK, detail_of, picture_at
from dataflow.view.catalogue import Catalogue, Place
from dataflow.view.hidden_folders import folder_hider
from dataflow.view.labelling import SampleOptions, draw_edits, showing_row
from dataflow.view.query import Query
from dataflow.view.shown import names_of
from dataflow.view.status import Status, StatusReader
from dataflow.view.survival import overview_of, status_of
from dataflow.view.thumbnail import thumbnail

if TYPE_CHECKING:
    from PIL import Image

ROWS = 200
_BYTES = 18 << 20  # most bytes of all pictures in the file, in base64
# Pixels of the longer side, and quality of the JPEG, from the best form to the smallest.
_FORMS = ((1024, 85), (768, 82), (640, 80), (512, 76), (448, 72), (384, 68), (320, 60), (256, 50), (160, 40))
_LEAST = 0.05  # fewest bytes of a JPEG for each pixel of a photograph
_PLAIN = re.compile(r"/[\w./-]+", re.ASCII)  # a path without spaces, quotes and the like
_SMALL = 160  # pixels: a drawing of this size stays as it is

PictureKey = tuple[Place, str, int]
"""Names a picture: place of its row, role, and number among the row's pictures of this role."""


def write_report(catalogue: Catalogue, target: Path, *, most: int = ROWS) -> int:
    """Write rows of a step, evenly spaced over all its rows.

    Args:
        catalogue: of the step, read to its end.
        target: the HTML file, which is written whole or not at all.
        most: most rows.

    Returns:
        The number of rows in the file.

    Raises:
        ConfigError: the step has no row, or `most` is below 1.
        OSError: the file cannot be written.
    """
    total = catalogue.find(Query(), 0, 0).total
    if most < 1:
        raise ConfigError(f"a report of {most} rows: give at least 1")
    if not total:
        raise ConfigError(f"{catalogue.step} of {catalogue.cache_path} has no row yet: there is nothing to report")
    count = min(most, total)
    every = catalogue.find(Query(), 0, total).places
    places = [every[number * total // count] for number in range(count)]
    rows = [_detail(catalogue, place) for place in places]
    wanted = [picture for row in rows for picture in _pictures_of(row)]
    overview = _overview(catalogue, status_of(StatusReader(catalogue.cache_path)))
    hide = _folder_hider(catalogue, places)
    content: Row = {"overview": hide(overview), "rows": hide([*rows]), "total": total, "icon": icon()}
    content |= _encoded_pictures(catalogue, wanted)
    write_atomic(target, bundle(content, title=f"{overview['cache']} · DataFlow-MM"))
    return count


def write_sample(catalogue: Catalogue, target: Path, options: SampleOptions) -> int:
    """Write a sample to be labelled; the page keeps the labels in its reader's browser until they are saved.

    Args:
        catalogue: of the step, read to its end.
        target: the HTML file, which is written whole or not at all.
        options: how to draw the sample.

    Returns:
        The number of showings.

    Raises:
        ConfigError: as `draw_edits`.
        InputError: as `draw_edits`.
        OSError: the file cannot be written.
    """
    drawn = draw_edits(catalogue, options)
    showings: list[Row] = []
    for showing in drawn.showings:
        name = PurePath(showing.edit.path).name  # by which a label finds its edit again
        line = {"picture": showing.picture, "row": showing.edit.row, "path": name, "shown": showing.shown}
        showings.append({**showing_row(catalogue, showing), "line": {**line, "sample": showing.sample.as_row()}})
    wanted: list[PictureKey] = []
    for values in showings:
        place = _place(values["place"])
        wanted += [(place, BEFORE, 0)] * bool(values["before"]) + [(place, AFTER, values["number"])]
    name = blake2b("".join(showing.picture for showing in drawn.showings).encode(), digest_size=8).hexdigest()
    hide = _folder_hider(catalogue, [_place(values["place"]) for values in showings])
    sample = {"showings": hide([*showings]), "left_out": drawn.left_out, "id": f"labels-{name}"}
    overview = _overview(catalogue, None) | {"operations": [], "scores": [0], "verdicts": None, "spent": 0}
    overview |= {"counts": {name: {} for name in overview["counts"]}, "sides": {}}  # nobody who labels sees their sums
    content = {"overview": overview, "rows": [], "total": 0, "icon": icon(), "sample": sample}
    content |= _encoded_pictures(catalogue, wanted)
    write_atomic(target, bundle(content, title="Would you train on this?"))
    return len(showings)


def _overview(catalogue: Catalogue, status: Status | None) -> Row:
    """The overview that the page gets, with the name of the cache directory in place of its path."""
    return overview_of(catalogue, status) | {"cache": catalogue.cache_path.absolute().name}


def _detail(catalogue: Catalogue, place: Place) -> Row:
    """The values of a row that the page gets, without the whole row as JSON."""
    try:
        found = detail_of(catalogue, place)
    except InputError as error:
        reason = str(error).partition("; the line starts")[0]  # the file may be a link to something else
        found = {"place": str(place), "outcome": "failed", "reason": reason, "before": 0, "after": [], "edits": []}
        return {**found, "instruction": "", "score": None, "made": [], "tries": 0, "mask": 0}
    return {name: value for name, value in found.items() if name != "row"}


def _folder_hider(catalogue: Catalogue, places: Iterable[Place]) -> Callable[[JSON], JSON]:
    """A function that removes folders from values: those of the step, and those of the paths in these rows."""
    files: set[str] = set()
    for place in places:
        with suppress(InputError):
            row, columns = catalogue.row(place), catalogue.index(place.file).shown
            named = (*columns.inputs_of(row), *columns.edits_of(row), *names_of(row.get(columns.mask)))
            files |= {path for path in named if not _PLAIN.fullmatch(path)}  # plain paths are found by their form
    rules, cache = catalogue.rules, catalogue.cache_path
    folders = {cache, cache.absolute(), cache.resolve(), rules.cwd, *rules.folders, *(rules.moved or ())}
    folders |= {Path(path).parent for path in files} | ({rules.recorded_cwd} if rules.recorded_cwd else set())
    return folder_hider(folders, files)


def _pictures_of(row: Row) -> Iterable[PictureKey]:
    place = _place(row["place"])
    yield from ((place, BEFORE, number) for number in range(row["before"]))
    yield from ((place, MASK, 0) for _ in range(row["mask"]))
    for edit in (*row["after"], *row["edits"]):
        yield _place(edit["place"]), AFTER, edit["number"]


def _encoded_pictures(catalogue: Catalogue, wanted: Sequence[PictureKey]) -> dict[str, JSON]:
    """The pictures within a number of bytes, each file once; and for each wanted picture, the index of its file."""
    paths: dict[Path, int] = {}
    places: dict[str, JSON] = {}
    for place, role, number in dict.fromkeys(wanted):
        try:
            path = picture_at(catalogue, place, role, number)
        except (LookupError, DataflowError):
            continue
        places[f"{place}/{role}/{number}"] = paths.setdefault(path, len(paths))
    room = _BYTES * 3 // 4 // max(1, len(paths))  # base64 takes four bytes for three
    return {"pictures": [_encoded(path, room) for path in paths], "places": places}


def _encoded(path: Path, room: int) -> str:
    """The largest copy of a picture that has room, as a data address; empty if the picture cannot be read.

    Args:
        path: of the picture.
        room: most bytes of the copy.
    """
    forms = [form for form in _FORMS if _LEAST * form[0] ** 2 <= room] or [_FORMS[-1]]
    try:
        image = thumbnail(path, (forms[0][0], forms[0][0]))
    except BadPicture:
        return ""
    data, kind = _fitted(image, forms, room)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _fitted(image: "Image.Image", forms: Sequence[tuple[int, int]], room: int) -> tuple[bytes, str]:
    from PIL import Image

    data = BytesIO()
    if max(image.size) <= _SMALL:
        image.save(data, "PNG")
        return data.getvalue(), "png"
    for pixels, quality in forms:
        image.thumbnail((pixels, pixels), Image.Resampling.LANCZOS)
        data = BytesIO()
        image.save(data, "JPEG", quality=quality)
        if data.tell() <= room:
            break
    return data.getvalue(), "jpeg"


def _place(text: str) -> Place:
    file, _, line = text.rpartition(":")
    return Place(file, int(line))
