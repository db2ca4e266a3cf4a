"""The page's server: what it asks of a cache directory, as JSON and pictures; it writes nothing into the directory."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dataflow.errors import DataflowError
from dataflow.io.decode import INPUT_FORMATS, BadPicture, decoding, header, sniff
from dataflow.io.image import MAX_INPUT_BYTES
from dataflow.judging.verdict import THRESHOLD
from dataflow.utils.files import stamp_of
from dataflow.utils.row_json import dump_value, parse
from dataflow.view.bundle import PAGE
from dataflow.view.cards import card_of, detail_of, picture_at
from dataflow.view.catalogue import Catalogue, Place
from dataflow.view.labelling import COUNT, Draw, Labels
from dataflow.view.library import Library
from dataflow.view.query import ORDERS, Query
from dataflow.view.survival import overview_of, status_of
from dataflow.view.thumbnails import Thumbnail, Thumbnails

_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_SIZES = (320, 640, 1280)
_LONGEST = 10_000  # bytes of what the page says
_SECONDS = 2  # for these bytes
_USUAL, _MOST = 60, 200  # rows of an answer
# A picture is data: whatever a browser may take it for, nothing in it runs.
_INERT = {"content-security-policy": "default-src 'none'; sandbox", "cache-control": "private, no-cache"}


def make_app(library: Library, thumbnails: Thumbnails, labels: Labels) -> Starlette:
    """The routes.

    Args:
        library: of the directory that is shown.
        thumbnails: small copies of its pictures.
        labels: the file of what is said on the page.
    """
    files = {path.name: path.read_bytes() for path in PAGE.iterdir() if path.suffix in _KINDS}
    answers, step = _Answers(library, thumbnails, labels, files), "/steps/{step}"
    app = Starlette(
        routes=[
            Route("/", answers.page),
            Route("/steps", answers.steps),
            Route("/{name}", answers.page),
            Route(f"{step}/overview", answers.overview),
            Route(f"{step}/rows", answers.rows),
            Route(f"{step}/rows/{{place}}", answers.row),
            Route(f"{step}/rows/{{place}}/decision", answers.decide, methods=["POST"]),
            Route(f"{step}/sample", answers.sample),
            Route(f"{step}/sample/{{at}}", answers.say, methods=["POST"]),
            Route(f"{step}/rows/{{place}}/{{role}}/{{number}}", answers.picture),
        ],
        exception_handlers={LookupError: _missing, DataflowError: _missing, BadPicture: _missing, OSError: _missing},
    )
    app.router.redirect_slashes = False  # to an address without the token
    return app


@dataclass(frozen=True, slots=True)
class _Answers:
    """One method a route."""

    library: Library
    thumbnails: Thumbnails
    labels: Labels
    files: Mapping[str, bytes]

    async def page(self, request: Request) -> Response:
        """The page, or one of its files."""
        name = request.path_params.get("name", "index.html")
        if name not in self.files:
            raise HTTPException(404, "no such file")
        kind = f"{_KINDS[Path(name).suffix]}; charset=utf-8"
        return Response(self.files[name], media_type=kind, headers={"cache-control": "no-cache"})

    def steps(self, _: Request) -> Response:
        """Names of all steps."""
        return _json(self.library.steps())

    def overview(self, request: Request) -> Response:
        """What stands above the rows."""
        found = overview_of(self._catalogue(request), status_of(self.library.reader))
        return _json({**found, "steps": self.library.steps()})

    def rows(self, request: Request) -> Response:
        """Some of the rows that are asked for."""
        catalogue = self._catalogue(request)
        start, count = (_whole(request.query_params.get(name, "0")) for name in ("start", "count"))
        found = catalogue.find(_query(request), start, min(count or _USUAL, _MOST))
        cards = [card_of(catalogue, place, self.labels.by_hand) for place in found.places]
        return _json({"total": found.total, "rows": cards})

    def row(self, request: Request) -> Response:
        """All of one row."""
        return _json(detail_of(self._catalogue(request), _place(request), self.labels.by_hand))

    def picture(self, request: Request) -> Response:
        """One of a row's own pictures, small or whole."""
        number, pixels = _whole(request.path_params["number"]), _whole(request.query_params.get("pixels", "0"))
        path = picture_at(self._catalogue(request), _place(request), request.path_params["role"], number)
        headers = {**_INERT, "etag": f'"{stamp_of(path.stat()):x}-{pixels}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        data, kind = self.thumbnails.get(path, pixels) if pixels in _SIZES else self._whole_picture(path)
        return Response(data, media_type=kind, headers=headers)

    def sample(self, request: Request) -> Response:
        """Edits to be labelled."""
        return _json(self.labels.sample(self._catalogue(request), _draw(request)))

    async def say(self, request: Request) -> Response:
        """Write down a label."""
        said, at = await _said(request), _whole(request.path_params["at"])
        await run_in_threadpool(self.labels.say, self._catalogue(request), _draw(request), at, said)
        return _json({})

    async def decide(self, request: Request) -> Response:
        """Write down what was decided of an edit by hand."""
        said = await _said(request)
        number, word = said.get("number"), said.get("label")
        if not isinstance(number, int) or number < 0 or not isinstance(word, str):
            raise HTTPException(400, "number and label are wanted")
        await run_in_threadpool(self.labels.decide, self._catalogue(request), _place(request), number, word)
        return _json({})

    def _catalogue(self, request: Request) -> Catalogue:
        return self.library.catalogue(request.path_params["step"])

    def _whole_picture(self, path: Path) -> Thumbnail:
        """The file's own bytes where every browser shows them; else a large copy."""
        if path.stat().st_size <= MAX_INPUT_BYTES:
            data = path.read_bytes()
            if kind := sniff(data):
                with decoding(data):
                    header(data, INPUT_FORMATS)
                return data, f"image/{kind}"
        return self.thumbnails.get(path, max(_SIZES))


def _place(request: Request) -> Place:
    file, _, line = request.path_params["place"].rpartition(":")
    return Place(file, _whole(line))


def _query(request: Request) -> Query:
    asked = request.query_params
    named = {name: tuple(asked.getlist(name)) for name in ("outcome", "operation", "language", "fault")}
    order = asked.get("order", "file")
    least, most = (_number(asked.get(name, usual)) for name, usual in (("least", "0"), ("most", "10")))
    if order not in ORDERS:
        raise HTTPException(400, f"order is one of {', '.join(ORDERS)}")
    return Query(asked.get("side", ""), **named, least=least, most=most, text=asked.get("text", ""), order=order)


def _draw(request: Request) -> Draw:
    asked = request.query_params
    count, seed = (_whole(asked.get(name, "0")) for name in ("count", "seed"))
    threshold = _number(asked.get("threshold", str(THRESHOLD)))
    return Draw(count or COUNT, threshold, asked.get("uniform", "") == "yes", seed)


async def _said(request: Request) -> dict[str, object]:
    """What the page sends, which is short and comes at once."""
    body = b""
    try:
        async with asyncio.timeout(_SECONDS):  # or the end of the command would wait for the rest
            async for part in request.stream():
                body += part
                if len(body) > _LONGEST:
                    raise HTTPException(413, "this is more than a label")
    except TimeoutError:
        raise HTTPException(408, "this did not come whole") from None
    try:
        found = parse(body)
    except ValueError:
        raise HTTPException(400, "JSON is wanted") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "an object is wanted")
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise HTTPException(400, "a number is wanted here") from None


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 12:
        raise HTTPException(400, "a number is wanted here")
    return int(text)


def _json(value: object, status: int = 200) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(dump_value(value), status, media_type="application/json", headers=headers)


def _missing(request: Request, error: Exception) -> Response:
    return _json({"error": str(error)}, 404)
