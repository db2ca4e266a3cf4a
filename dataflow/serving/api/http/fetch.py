"""Pictures that a reply names by address: what goes wrong with one, as a failure of a request that was paid."""

from collections.abc import Sequence

from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.http.public import MAX_BYTES, NotFetched, PublicFetcher

__all__ = ["MAX_BYTES", "PictureFetcher"]


class PictureFetcher:
    """Fetches pictures named in replies.

    Args:
        own_address: the api_url, whose host and port may be private: a gateway serves its own pictures.
        hosts: what else may be private, as the user names it; see `NamedHosts`.
    """

    def __init__(self, own_address: str, hosts: Sequence[str] = ()) -> None:
        self._fetcher = PublicFetcher(own_address, hosts)

    async def fetch(self, url: str) -> bytes:
        """The bytes at an address, as `PublicFetcher.fetch`.

        Raises:
            AnswerError: refused, since the address is no http(s) one or not a public one; or not fetched this time.
        """
        try:
            return await self._fetcher.fetch(url)
        except NotFetched as error:
            raise AnswerError(_failure(error)) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._fetcher.close()


def _failure(error: NotFetched) -> Failure:
    if error.refused:
        return Failure("refused", f"the reply names a picture {error.reason}", maybe_paid=True, unconfirmed="link")
    reason = f"the picture that the reply names could not be fetched: {error.reason}"
    # The download was tried again, where that may help; another attempt at the request would be paid again.
    return Failure("retry", reason, retries=0, maybe_paid=True, unconfirmed="fetch")
