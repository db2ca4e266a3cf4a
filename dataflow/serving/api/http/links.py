"""Pictures that a paid reply only names: the download is tried again, never the request."""

import asyncio
from collections.abc import Sequence

from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.http.fetch import PictureFetcher
from dataflow.serving.dialects.reply import UrlRef

FETCH_WAITS = (0.5, 2.0)  # seconds before the second and the third try


async def fetch_linked(fetcher: PictureFetcher, images: Sequence[bytes | UrlRef]) -> list[bytes] | Failure:
    """The pictures of a reply, in order; or why one of them could not be had, though the reply was paid."""
    try:
        return [await _fetch(fetcher, each.url) if isinstance(each, UrlRef) else each for each in images]
    except AnswerError as error:
        return error.failure


async def _fetch(fetcher: PictureFetcher, url: str) -> bytes:
    for wait in FETCH_WAITS:
        try:
            return await fetcher.fetch(url)
        except AnswerError as error:
            if not error.failure.transient:
                raise
            await asyncio.sleep(wait)
    return await fetcher.fetch(url)
