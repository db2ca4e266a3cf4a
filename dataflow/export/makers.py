"""Who made a picture: what its name, the journal and the meta files of the steps say.

The name of a picture that was made is the id of its request, by which the journal has the answer and the model that
gave it. Which model was asked stands in the meta files, for each worker of a step; the journal knows no steps, so where
a directory saw several editors, or one folder has what an editor and a painter made, the question stays open and
`asked` empty. The seed follows from the id where models ran here; most APIs are sent none.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from dataflow.core.records import Answer, Row
from dataflow.export.records import DRAWN, EDITED, MadeBy
from dataflow.journal.known import KnownPictures
from dataflow.judging.condition import PAINTER
from dataflow.judging.tries import EDITOR

_MADE = re.compile(r"(?P<id>[0-9a-f]{32})_(?P<k>\d+)\.(png|jpg|webp)")


def has_made_name(path: str) -> bool:
    """Whether a picture is named after its request, whose id follows from all that it was made of."""
    return _MADE.fullmatch(path.rpartition("/")[2]) is not None


class Makers:
    """Looks up who made pictures.

    Args:
        known: the cache directory's journal.
        metas: of its steps.
    """

    def __init__(self, known: KnownPictures, metas: Iterable[Row]) -> None:
        self._known = known
        metas = list(metas)
        self._asked = {worker: _asked(worker, metas) for worker in (EDITOR, PAINTER)}
        made = [
            (worker, by) for meta in metas for worker, by in meta.get("made_by", {}).items() if worker in self._asked
        ]
        self._draws = any(worker == PAINTER for worker, _ in made)
        self._of_apis = any("servers" in by for _, by in made)
        self._edits: set[int] = set()
        self._folders: set[str] = set()

    def answer_of(self, path: str) -> tuple[str, int, Answer] | None:
        """The id of the request that a picture file answers, which of its pictures it is, and the answer."""
        match = _MADE.fullmatch(path.rpartition("/")[2])
        answer = None if match is None else self._known.answer(match["id"])
        return None if match is None or answer is None else (match["id"], int(match["k"]), answer)

    def made_by(self, path: str, worker: str, *, source_type: str = "") -> MadeBy:
        """Who made a picture.

        Args:
            path: absolute.
            worker: who makes such pictures by their column: "editor" of results, "painter" of sources and drawings. A
                source that was a result before, or lies among results where nobody drew, is an edit too; where
                somebody drew, whose picture it is stays open.
            source_type: of a picture that came in.
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
            None if self._of_apis else int(request[:8], 16) >> 1,
            {PAINTER: DRAWN, EDITOR: EDITED}.get(worker, ""),
        )

    def _maker_of(self, path: str, worker: str, request: int) -> str:
        """The worker that made a picture; empty: it may be either."""
        folder = path.rsplit("/", 2)[0]
        if worker == EDITOR:
            self._edits.add(request)
            self._folders.add(folder)
        elif request in self._edits or (folder in self._folders and not self._draws):
            return EDITOR
        elif folder in self._folders:
            return ""
        return worker


def _asked(worker: str, metas: Iterable[Row]) -> tuple[str, str, str]:
    """Model, revision and licence of a worker of this name; empty where steps asked several."""
    found = {_model(worker, meta) for meta in metas if worker in meta.get("made_by", {})}
    return found.pop() if len(found) == 1 else ("", "", "")


def _model(worker: str, meta: Row) -> tuple[str, str, str]:
    made_by: Mapping[str, object] = meta["made_by"][worker]
    model = str(made_by.get("model", ""))
    known = meta.get("workers", {}).get(worker, {})
    # A folder on this machine says nothing to others, and where it lies is nobody's business.
    name = Path(model).name if model.startswith("/") else model
    if "other_fingerprints" in known and ", " in name:  # answers of several, in one step
        return "", "", ""
    return name, str(made_by.get("revision", "")), str(known.get("licence", ""))
