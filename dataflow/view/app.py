"""The addresses under which the page gets rows and pictures of a cache directory, and sends labels.

The server writes nothing into the cache directory; labels and decisions go into a labels file of their own.
"""

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
from dataflow.view.labelling import COUNT, Labels, SampleOptions
from dataflow.view.library import Library
from dataflow.view.query import ORDERS, Query
from dataflow.view.survival import overview_of, status_of
from dataflow.view.thumbnails import Thumbnail, Thumbnails

_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_SIZES = (320, 640, 1280)
_MOST_BYTES = 10_000  # bytes of a label or a decision that the page sends
_SECONDS = 2  # in which all of these bytes must arrive
_USUAL_ROWS, _MOST_ROWS = 60, 200  # rows of an answer
# A browser may take the bytes of a picture for a page, so a policy forbids that anything in them runs.
_INERT = {"content-security-policy": "default-src 'none'; sandbox", "cache-control": "private, no-cache"}


def make_app(library: Library, thumbnails: Thumbnails, labels: Labels) -> Starlette:
    """Make the application that answers the page; `Guard` decides who may ask it.

    Args:
        library: the steps of the cache directory.
        thumbnails: makes small copies of its pictures.
        labels: the labels file that the page adds to.
    """
    files = {path.name: path.read_bytes() for path in PAGE.iterdir() if path.suffix in _KINDS}
    endpoints, step = _Endpoints(library, thumbnails, labels, files), "/steps/{step}"
    app = Starlette(
        routes=[
            Route("/", endpoints.page),
            Route("/steps", endpoints.steps),
            Route("/{name}", endpoints.page),
            Route(f"{step}/overview", endpoints.overview),
            Route(f"{step}/rows", endpoints.rows),
            Route(f"{step}/rows/{{place}}", endpoints.row),
            Route(f"{step}/rows/{{place}}/decision", endpoints.decide, methods=["POST"]),
            Route(f"{step}/sample", endpoints.sample),
            Route(f"{step}/sample/{{at}}", endpoints.label, methods=["POST"]),
            Route(f"{step}/rows/{{place}}/{{role}}/{{number}}", endpoints.picture),
        ],
        exception_handlers={
            LookupError: _not_found,
            DataflowError: _not_found,
            BadPicture: _not_found,
            OSError: _not_found,
        },
    )
    app.router.redirect_slashes = False  # a redirect would lead to an address without the token
    return app


@dataclass(frozen=True, slots=True)
class _Endpoints:
    """Answers requests, with one method for each route."""

    library: Library
    thumbnails: Thumbnails
    labels: Labels
    files: Mapping[str, bytes]

    async def page(self, request: Request) -> Response:
        """The page itself, or one of its scripts, its style and its icon."""
        name = request.path_params.get("name", "index.html")
        if name not in self.files:
            raise HTTPException(404, "no such file")
        kind = f"{_KINDS[Path(name).suffix]}; charset=utf-8"
        return Response(self.files[name], media_type=kind, headers={"cache-control": "no-cache"})

    def steps(self, _: Request) -> Response:
        """Names of all steps."""
        return _json(self.library.steps())

    def overview(self, request: Request) -> Response:
        """The progress, counts and costs that stand above the rows."""
        found = overview_of(self._catalogue(request), status_of(self.library.reader))
        return _json({**found, "steps": self.library.steps()})

    def rows(self, request: Request) -> Response:
        """A page of the rows that a query finds, as cards."""
        catalogue = self._catalogue(request)
        start, count = (_integer(request.query_params.get(name, "0")) for name in ("start", "count"))
        found = catalogue.find(_query(request), start, min(count or _USUAL_ROWS, _MOST_ROWS))
        cards = [card_of(catalogue, place, self.labels.by_hand) for place in found.places]
        return _json({"total": found.total, "rows": cards})

    def row(self, request: Request) -> Response:
        """All that is known of one row."""
        return _json(detail_of(self._catalogue(request), _place(request), self.labels.by_hand))

    def picture(self, request: Request) -> Response:
        """One of the pictures that a row names, as a small copy or whole."""
        number, pixels = (
            _integer(request.path_params["number"]),
            _integer(request.query_params.get("pixels", "0")),
        )
        path = picture_at(self._catalogue(request), _place(request), request.path_params["role"], number)
        headers = {**_INERT, "etag": f'"{stamp_of(path.stat()):x}-{pixels}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        data, kind = self.thumbnails.get(path, pixels) if pixels in _SIZES else self._whole_picture(path)
        return Response(data, media_type=kind, headers=headers)

    def sample(self, request: Request) -> Response:
        """The edits of a sample, to be labelled."""
        return _json(self.labels.sample(self._catalogue(request), _sample_options(request)))

    async def label(self, request: Request) -> Response:
        """Add a label of one edit of a sample to the labels file."""
        answer, index = await _object_sent(request), _integer(request.path_params["at"])
        await run_in_threadpool(
            self.labels.add_label, self._catalogue(request), _sample_options(request), index, answer
        )
        return _json({})

    async def decide(self, request: Request) -> Response:
        """Add a decision by hand, to accept or to reject an edit, to the labels file."""
        decision = await _object_sent(request)
        number, word = decision.get("number"), decision.get("label")
        if not isinstance(number, int) or number < 0 or not isinstance(word, str):
            raise HTTPException(400, "number and label are wanted")
        await run_in_threadpool(self.labels.decide, self._catalogue(request), _place(request), number, word)
        return _json({})

    def _catalogue(self, request: Request) -> Catalogue:
        return self.library.catalogue(request.path_params["step"])

    def _whole_picture(self, path: Path) -> Thumbnail:
        """The file's own bytes if every browser shows this format; else a large copy."""
        if path.stat().st_size <= MAX_INPUT_BYTES:
            data = path.read_bytes()
            if kind := sniff(data):
                with decoding(data):
                    header(data, INPUT_FORMATS)
                return data, f"image/{kind}"
        return self.thumbnails.get(path, max(_SIZES))


def _place(request: Request) -> Place:
    file, _, line = request.path_params["place"].rpartition(":")
    return Place(file, _integer(line))


def _query(request: Request) -> Query:
    asked = request.query_params
    named = {name: tuple(asked.getlist(name)) for name in ("outcome", "operation", "language", "fault")}
    order = asked.get("order", "file")
    least, most = (_number(asked.get(name, usual)) for name, usual in (("least", "0"), ("most", "10")))
    if order not in ORDERS:
        raise HTTPException(400, f"order is one of {', '.join(ORDERS)}")
    return Query(asked.get("side", ""), **named, least=least, most=most, text=asked.get("text", ""), order=order)


def _sample_options(request: Request) -> SampleOptions:
    asked = request.query_params
    count, seed = (_integer(asked.get(name, "0")) for name in ("count", "seed"))
    threshold = _number(asked.get("threshold", str(THRESHOLD)))
    return SampleOptions(count or COUNT, threshold, asked.get("uniform", "") == "yes", seed)


async def _object_sent(request: Request) -> dict[str, object]:
    """The JSON object that the page sends.

    Raises:
        HTTPException: the body is too long, does not arrive in time, or is no JSON object.
    """
    body = b""
    try:
        async with asyncio.timeout(_SECONDS):  # without a limit Ctrl-C would wait for a body that never ends
            async for part in request.stream():
                body += part
                if len(body) > _MOST_BYTES:
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


def _integer(text: str) -> int:
    if not text.isdecimal() or len(text) > 12:
        raise HTTPException(400, "a number is wanted here")
    return int(text)


def _json(value: object, status: int = 200) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(dump_value(value), status, media_type="application/json", headers=headers)


def _not_found(request: Request, error: Exception) -> Response:
    return _json({"error": str(error)}, 404)
