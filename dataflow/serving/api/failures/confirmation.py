"""Decides which failures stop a run at once, and which must be confirmed by a second failure first.

One gateway behind an address has many upstream keys and channels. A single HTTP 401, "model not found" or "no credit"
in a run of days is usually one bad channel, and a run that stops for it costs a night. So such a failure stops the run
only where the address has never answered anything, or when a second failure says the same. A `Confirmation` belongs to
one serving and lives on the event loop.
"""

import logging
from collections import Counter
from dataclasses import replace
from typing import Literal

from dataflow.core.words import count_of
from dataflow.errors import Failure

log = logging.getLogger(__name__)

# What a failure says that is unconfirmed, and what confirms it:
# account: key, permission, model or path is wrong. Fatal where nothing was answered yet, else when a second request,
#   another one, fails so without a good answer in between.
# credit: the account has too little credit. A gateway holds more than the price while a request runs, so half as many
#   requests run first; fatal if one that was sent after the halving fails so.
# channel: a gateway has no upstream for the model just now. Fatal after three retries of one request.
# unserved: HTTP 503, or HTTP 500 with a code 403. A gateway that has withdrawn a model answers so, too: see `Presence`.
# page: a reply that no API sends, such as a web page. As channel where nothing was answered yet, else a warning.
# field: a parameter that goes with every request is wrong. Fatal where nothing was answered yet.
# row: any other refusal of the request's form. A warning when many come in a row.
# link: a paid reply names its picture at an address that is not fetched from. Fatal at the second request in a row.
# fetch: the picture of a paid reply could not be fetched. Fatal at the fifth request in a row.
# moderation: HTTP 403 under a content policy, which a flagged account gets for every request. A warning when many come.
Unconfirmed = Literal[
    "", "account", "credit", "channel", "unserved", "page", "field", "row", "link", "fetch", "moderation"
]

RETRIES = 3
CHANNEL_SECONDS = 10.0  # between retries where the model was served before: channels come back in half a minute
HOLD_SECONDS = 2.0  # gateways give back the credit that they held a moment after the answer
_CREDIT_KEEP = 0.5  # the share of the calls in flight that goes on once the credit seems too low
_ACCOUNT_RETRIES = 2
_FATAL_AFTER = {"link": 2, "fetch": 5}  # paid requests in a row without a picture
# Failures in a row until the warning is logged, and its words.
_WARNINGS = {
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


class Confirmation:
    """Remembers how the attempts of one serving ended, as far as that confirms or refutes later failures.

    Args:
        serving: its name, for the words of a warning.

    Attributes:
        halvings: how often the calls in flight were halved since the credit seemed too low. A caller notes the number
            when it sends a request, and gives it back to `settle`.
    """

    def __init__(self, serving: str) -> None:
        self.halvings = 0
        self._serving = serving
        self._proven = False  # whether key, model and path were right once
        self._account_failed_for = ""  # the request that failed last as "account", without a good answer since
        self._credit_seems_low = False
        self._without_picture: set[str] = set()  # requests that were paid and have no picture, since the last answer
        self._failed_so: Counter[tuple[str, str]] = Counter()  # of (Unconfirmed, request), since the last answer
        self._in_a_row: Counter[str] = Counter()  # of Unconfirmed, since the last answer

    def settle(self, request_id: str, sent_at: int, failure: Failure | None) -> Failure | None:
        """Decide what the end of one attempt means for the run.

        Args:
            request_id: of the request that was attempted.
            sent_at: the value of `halvings` when the request was sent.
            failure: how the attempt ended; None for an answer.

        Returns:
            The failure as the pool is to treat it, with an empty `unconfirmed`; None for an answer.
        """
        if failure is None:
            self._note_answer(sent_at)
            self._without_picture.clear()
            return None
        unconfirmed = failure.unconfirmed
        if unconfirmed in _WARNINGS:
            self._count(unconfirmed, failure)
        # A refusal under a content policy, or a paid reply without a picture, comes from the model: the account works.
        if failure.kind == "refused" or failure.refuse_after:
            self._note_answer(sent_at, keep=unconfirmed)
        return replace(self._confirm(request_id, sent_at, failure), unconfirmed="") if unconfirmed else failure

    def _confirm(self, request_id: str, sent_at: int, failure: Failure) -> Failure:
        match failure.unconfirmed:
            case "account":
                return self._confirm_account(request_id, failure)
            case "credit":
                return self._confirm_credit(sent_at, failure)
            case "channel" | "page":
                return self._confirm_repeated(request_id, failure)
            case "field" if not self._proven:
                return failure.last_word("fatal")
            case "link" | "fetch":
                return self._confirm_without_picture(request_id, failure)
        return failure

    def _note_answer(self, sent_at: int, keep: str = "") -> None:
        """Forget what an answer refutes.

        Args:
            sent_at: as in `settle`.
            keep: what still counts as in a row; empty: nothing does.
        """
        self._proven = True
        self._account_failed_for = ""
        self._failed_so.clear()
        self._in_a_row = Counter({keep: self._in_a_row[keep]} if keep else {})
        # An answer to a request from before the halving does not prove that the credit suffices after it.
        if sent_at >= self.halvings:
            self._credit_seems_low = False

    def _count(self, unconfirmed: str, failure: Failure) -> None:
        self._in_a_row[unconfirmed] += 1
        enough, words = _WARNINGS[unconfirmed]
        if self._in_a_row[unconfirmed] == enough:
            log.warning(words, self._serving, enough, failure)

    def _confirm_account(self, request_id: str, failure: Failure) -> Failure:
        if not self._proven or self._account_failed_for not in ("", request_id):
            return failure
        self._account_failed_for = request_id
        return replace(failure, kind="retry", retries=_ACCOUNT_RETRIES)

    def _confirm_credit(self, sent_at: int, failure: Failure) -> Failure:
        if sent_at < self.halvings:  # the gateway held credit for twice as many requests when this one was sent
            return replace(failure, kind="retry")
        if self._credit_seems_low:
            return failure
        self._credit_seems_low = True
        self.halvings += 1
        return replace(failure, kind="wait", wait=HOLD_SECONDS, keep=_CREDIT_KEEP)

    def _confirm_without_picture(self, request_id: str, failure: Failure) -> Failure:
        self._without_picture.add(request_id)
        if len(self._without_picture) >= _FATAL_AFTER[failure.unconfirmed]:
            count = count_of(len(self._without_picture), "paid answer")
            return failure.last_word("fatal", f"{count} in a row without a picture: {failure.reason}")
        # Another attempt cannot help, but another value of `picture_hosts` can: the next run asks again.
        return replace(failure, kind="failed") if failure.kind == "refused" else failure

    def _confirm_repeated(self, request_id: str, failure: Failure) -> Failure:
        is_channel, key = failure.unconfirmed == "channel", (failure.unconfirmed, request_id)
        self._failed_so[key] += 1
        if self._failed_so[key] > RETRIES and (is_channel or not self._proven):
            return failure.last_word("fatal")
        if is_channel and self._proven and failure.transient:
            return replace(failure, wait=max(failure.wait, CHANNEL_SECONDS))
        return failure
