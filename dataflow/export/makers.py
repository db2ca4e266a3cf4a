"""Finds out who made a picture from its file name, the journal, and the meta files of the steps.

A picture that a worker made is named after the id of its request, and under this id the journal has the answer and the
model that gave it. The model that was asked stands in the meta files, for each worker of a step. The journal knows no
steps. So `asked` stays empty where a directory had several editors, or where one folder holds pictures of an editor and
of a painter. The seed follows from the id where models ran on this machine; most APIs get no seed.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from dataflow.core.records import Answer, Row
from dataflow.export.records import DRAWN, EDITED, MadeBy
from dataflow.journal.picture_facts import KnownPictures
from dataflow.judging.condition import PAINTER
from dataflow.judging.tries import EDITOR

_NAME = re.compile(r"(?P<id>[0-9a-f]{32})_(?P<k>\d+)\.(png|jpg|webp)")


def has_made_name(path: str) -> bool:
    """Whether a picture is named after its request: such a name follows from all that the picture was made of."""
    return _NAME.fullmatch(path.rpartition("/")[2]) is not None


class Makers:
    """Looks up who made pictures.

    Args:
        known: the pictures and answers of the cache directory's journal.
        metas: the meta files of its steps.
    """

    def __init__(self, known: KnownPictures, metas: Iterable[Row]) -> None:
        self._known = known
        metas = list(metas)
        self._asked = {worker: _asked(worker, metas) for worker in (EDITOR, PAINTER)}
        made = [
            (worker, by) for meta in metas for worker, by in meta.get("made_by", {}).items() if worker in self._asked
        ]
        self._has_painter = any(worker == PAINTER for worker, _ in made)
        self._uses_apis = any("servers" in by for _, by in made)
        self._edits: set[int] = set()
        self._folders: set[str] = set()

    def answer_of(self, path: str) -> tuple[str, int, Answer] | None:
        """The id of a picture's request, the picture's index in the answer from 0, and the answer; None: not known."""
        match = _NAME.fullmatch(path.rpartition("/")[2])
        answer = None if match is None else self._known.answer(match["id"])
        return None if match is None or answer is None else (match["id"], int(match["k"]), answer)

    def made_by(self, path: str, worker: str, *, source_type: str = "") -> MadeBy:
        """Who made a picture.

        Args:
            path: absolute.
            worker: the worker whose pictures stand in this column: "editor" for results, "painter" for sources and
                drawings. A source that was a result before is an edit. So is one that lies in a folder of results,
                unless the directory had a painter: then its maker stays unknown.
            source_type: IPTC's digital source type that the row names for a picture that no worker made.
        """
        found = self.answer_of(path)
        if found is None:
            return MadeBy(source_type=source_type)
        request, _, answer = found
        worker = self._maker_of(path, worker, int(request[:16], 16))
        asked, revision, licence = self._asked.get(worker, ("", "", ""))
        return MadeBy(
            request,
            asked,
            answer.model,
            answer.provider,
            revision,
            licence,
            # As `Job.seed` gives it to a local worker; an API gets no seed.
            None if self._uses_apis else int(request[:8], 16) >> 1,
            {PAINTER: DRAWN, EDITOR: EDITED}.get(worker, ""),
        )

    def _maker_of(self, path: str, worker: str, request: int) -> str:
        """The worker that made a picture; empty: it may be the editor or the painter."""
        folder = path.rsplit("/", 2)[0]
        if worker == EDITOR:
            self._edits.add(request)
            self._folders.add(folder)
        elif request in self._edits or (folder in self._folders and not self._has_painter):
            return EDITOR
        elif folder in self._folders:
            return ""
        return worker


def _asked(worker: str, metas: Iterable[Row]) -> tuple[str, str, str]:
    """Model, revision and licence of the worker of this name; empty where steps asked different ones."""
    found = {_model(worker, meta) for meta in metas if worker in meta.get("made_by", {})}
    return found.pop() if len(found) == 1 else ("", "", "")


def _model(worker: str, meta: Row) -> tuple[str, str, str]:
    made_by: Mapping[str, object] = meta["made_by"][worker]
    model = str(made_by.get("model", ""))
    known = meta.get("workers", {}).get(worker, {})
    # The path of a folder on this machine says nothing to readers of the export, and may hold private names.
    name = Path(model).name if model.startswith("/") else model
    if "other_fingerprints" in known and ", " in name:  # several models answered in one step
        return "", "", ""
    return name, str(made_by.get("revision", "")), str(known.get("licence", ""))
