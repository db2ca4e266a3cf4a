"""Fetches the pictures that a paid reply names by address: a failed download is tried again, the request never is."""

import asyncio
from collections.abc import Sequence

from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.http.fetch import MAX_BYTES, PictureFetcher
from dataflow.serving.dialects.reply import UrlRef

MAX_PICTURES = 10  # of one reply: more than any API draws for one request
FETCH_WAITS = (0.5, 2.0)  # seconds before the second and the third try of a download


async def fetch_linked(fetcher: PictureFetcher, images: Sequence[bytes | UrlRef]) -> list[bytes] | Failure:
    """Fetch those pictures of a reply that it only names.

    Args:
        fetcher: downloads.
        images: the reply's pictures: bytes, or addresses. Of many the last `MAX_PICTURES` count.

    Returns:
        The bytes of each picture, in order; or the failure of the request, since one could not be fetched or all
        together are too large.
    """
    pictures: list[bytes] = []
    try:
        for image in images[-MAX_PICTURES:]:
            pictures.append(await _fetch(fetcher, image.url) if isinstance(image, UrlRef) else image)
            if sum(map(len, pictures)) > MAX_BYTES:
                return Failure(
                    "failed", f"the reply names pictures of more than {MAX_BYTES >> 20} MiB", maybe_paid=True
                )
    except AnswerError as error:
        return error.failure
    return pictures


async def _fetch(fetcher: PictureFetcher, url: str) -> bytes:
    for wait in FETCH_WAITS:
        try:
            return await fetcher.fetch(url)
        except AnswerError as error:
            if not error.failure.transient:
                raise
            await asyncio.sleep(wait)
    return await fetcher.fetch(url)
