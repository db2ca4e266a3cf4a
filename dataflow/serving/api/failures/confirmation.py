"""What looks fatal, or like a fault of the address, and is not believed before it has been seen again.

One gateway behind an address has many upstream keys and channels: a single 401, "model not found" or "no
credit" in a run of days is usually one bad channel. So such an answer stops the run only where nothing has
ever been answered, or when it comes again. Lives on the event loop; one per serving.
"""

import logging
from collections import Counter
from dataclasses import replace
from typing import Literal

from dataflow.core.words import count_of
from dataflow.errors import Failure

log = logging.getLogger(__name__)

# account: key, right, model or path; fatal when first, or twice in a row from different samples.
# credit: gateways hold more than the price while a request runs; half as many run, a second time is fatal.
# channel: no server for the model just now; three retries of one sample, then fatal.
# unserved: HTTP 503, or 500 with a code 403; gateways say so, too, of a model that they have withdrawn: see `Presence`.
# page: something that no API sends; as channel while nothing was ever answered, else an alarm.
# field: a parameter of every request is wrong; fatal while nothing was ever answered.
# row: any other refusal of the request's form; an alarm when many come in a row.
# link: a paid reply names its picture where it is not fetched from; fatal when it comes twice in a row.
# fetch: a paid reply's picture could not be fetched; fatal when that of five different samples in a row could not.
# moderation: HTTP 403 under a content policy, which also is what a flagged account gets; an alarm.
Doubt = Literal["", "account", "credit", "channel", "unserved", "page", "field", "row", "link", "fetch", "moderation"]

RETRIES = 3
CHANNEL_SECONDS = 10.0  # between retries where the model was served before: channels come back in half a minute
HOLD_SECONDS = 2.0  # gateways give back what they held a moment after the answer
_CREDIT_KEEP = 0.5  # of the calls in flight: a gateway holds more credit for what runs at once than is left
_ACCOUNT_RETRIES = 2
_UNCOLLECTED = {"link": 2, "fetch": 5}  # paid samples in a row
_ALARMS = {
    "page": (4, "%s has sent %d replies in a row that no API sends, last: %s"),
    "moderation": (
        5,
        "%s refused %d requests in a row under its content policy (HTTP 403), last: %s. If they are "
        "harmless, the account may be flagged: look at its page before more is asked",
    ),
    "row": (
        20,
        "%s took none of the last %d requests, last: %s. They cost nothing; if all rows have this fault, "
        "interrupt, put it right and run again",
    ),
}


class Doubts:
    """Remembers what an address answered, as far as later answers are to be believed.

    Args:
        name: of the serving, for the words of an alarm.
    """

    def __init__(self, name: str) -> None:
        self.halvings = 0
        self._name = name
        self._proven = False  # key, model and path were right once
        self._suspect = ""  # the sample whose account was doubted last, without a good answer since
        self._credit_doubted = False
        self._uncollected: set[str] = set()  # samples that were paid and have no picture, without a good answer since
        self._seen: Counter[tuple[str, str]] = Counter()
        self._in_row: Counter[str] = Counter()

    def settle(self, request_id: str, sent_at: int, failure: Failure | None) -> Failure | None:
        """What to make of the end of one attempt; nothing of it is doubted any more.

        Args:
            request_id: whose attempt it was.
            sent_at: `halvings` when it was sent.
            failure: how it ended; None for an answer.
        """
        if failure is None:
            self._answered(sent_at)
            self._uncollected.clear()
            return None
        doubt = failure.doubt
        if doubt in _ALARMS:
            self._note_row(doubt, failure)
        if failure.kind == "refused" or failure.refuse_after:
            self._answered(sent_at, keep=doubt)
        return replace(self._believed(request_id, sent_at, failure), doubt="") if doubt else failure

    def _believed(self, request_id: str, sent_at: int, failure: Failure) -> Failure:
        match failure.doubt:
            case "account":
                return self._settle_account(request_id, failure)
            case "credit":
                return self._settle_credit(sent_at, failure)
            case "channel" | "page":
                return self._settle_repeated(request_id, failure)
            case "field" if not self._proven:
                return failure.last_word("fatal")
            case "link" | "fetch":
                return self._settle_uncollected(request_id, failure)
        return failure

    def _answered(self, sent_at: int, keep: str = "") -> None:
        self._proven = True
        self._suspect = ""
        self._seen.clear()
        self._in_row = Counter({keep: self._in_row[keep]} if keep else {})
        if sent_at >= self.halvings:
            self._credit_doubted = False

    def _note_row(self, doubt: str, failure: Failure) -> None:
        self._in_row[doubt] += 1
        enough, words = _ALARMS[doubt]
        if self._in_row[doubt] == enough:
            log.warning(words, self._name, enough, failure)

    def _settle_account(self, request_id: str, failure: Failure) -> Failure:
        if not self._proven or self._suspect not in ("", request_id):
            return failure
        self._suspect = request_id
        return replace(failure, kind="retry", retries=_ACCOUNT_RETRIES)

    def _settle_credit(self, sent_at: int, failure: Failure) -> Failure:
        if sent_at < self.halvings:  # sent while twice as many ran
            return replace(failure, kind="retry")
        if self._credit_doubted:
            return failure
        self._credit_doubted = True
        self.halvings += 1
        return replace(failure, kind="wait", wait=HOLD_SECONDS, keep=_CREDIT_KEEP)

    def _settle_uncollected(self, request_id: str, failure: Failure) -> Failure:
        self._uncollected.add(request_id)
        if len(self._uncollected) >= _UNCOLLECTED[failure.doubt]:
            count = count_of(len(self._uncollected), "paid answer")
            return failure.last_word("fatal", f"{count} in a row without a picture: {failure.reason}")
        # A setting may heal what no other attempt can: the next run asks again.
        return replace(failure, kind="failed") if failure.kind == "refused" else failure

    def _settle_repeated(self, request_id: str, failure: Failure) -> Failure:
        seen, channel = (failure.doubt, request_id), failure.doubt == "channel"
        self._seen[seen] += 1
        if self._seen[seen] > RETRIES and (channel or not self._proven):
            return failure.last_word("fatal")
        if channel and self._proven and failure.transient:
            return replace(failure, wait=max(failure.wait, CHANNEL_SECONDS))
        return failure
