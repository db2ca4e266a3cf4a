"""Plays a quota without the flow: rows end by rates and costs that the account does not know."""

import math
import random
from collections import deque

from dataflow.core.records import NANO
from dataflow.quota.next_row import Account, Ending, RowEnd
from dataflow.taxonomy.priors import prior_passes


class PlayedQuota:
    """An account whose rows end by rates that scatter around the priors.

    Args:
        account: that hands them out.
        seed: of the rates and of the luck.
    """

    def __init__(self, account: Account, seed: int) -> None:
        self.account = account
        self._chance, self._open = random.Random(seed), deque[str]()
        priors = prior_passes(account.wanted)
        self._first = {name: self._chance.betavariate(8 * each, 8 * (1 - each)) for name, each in priors.items()}
        self._again = {name: self._chance.uniform(0.1, 0.65) for name in priors}

    def until(self, accepted: float = math.inf) -> Account:
        """Go on until so many are accepted, or to the end."""
        while self.account.accepted.total() < accepted:
            while (operation := self.account.hand_out()) is not None:
                self._open.append(operation)
            if not self._open:
                break
            self._end(self._open.popleft())
        return self.account

    def _end(self, operation: str) -> None:
        first = self._first[operation]
        passes = (first, *[self._again[operation] * first] * (self.account.rates.tries - 1))
        number = next((n for n, rate in enumerate(passes, 1) if self._chance.random() < rate), 0)
        tries = number or len(passes)
        cost = sum(max(7, self._chance.gauss(70, 21)) for _ in range(tries)) * NANO // 1000
        ending: Ending = "accepted" if number else "rejected"
        self.account.close(operation, RowEnd(operation, ending, tries, tries, int(cost), int(cost) + 70_000_000))
