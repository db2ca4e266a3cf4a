"""How many pictures a call draws on a GPU: as many as keep the GPU busy, of those that fit into its memory.

Until a plan's first call has run, a picture counts as the estimate of `placing.py`. That first call measures what a
picture really takes, as torch reports it. The measurement settles the plan's number for good, so that each size is
compiled for few numbers of pictures, and is the estimate for the next plan. A call that still does not fit runs out of
memory and is made again with fewer pictures (`dataflow.serving.local.runtime`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from dataflow.serving.backends import Plan, Size
from dataflow.serving.local.pictures.placing import WORKING_BYTES

MEGAPIXEL = 1024 * 1024
MOST = 16  # pictures; pictures below a quarter of a megapixel would gain little from more
_FILLING = 4 * MEGAPIXEL  # pixels of a call: a transformer of 12 billion weights should gain little from more
_USABLE = 0.9  # of the free memory: torch loses the rest between its blocks


def pictures_to_fill(size: Size | None) -> int:
    """How many pictures of this size keep a GPU busy in one call; None counts as one megapixel."""
    return max(1, min(MOST, round(_FILLING / _pixels(size))))


def pictures_that_fit(free: int, per_picture: float) -> int:
    """How many pictures fit into memory; at least one.

    Args:
        free: bytes that are free once the model is loaded.
        per_picture: bytes that one picture takes while it is drawn.
    """
    return max(1, int(free * _USABLE / per_picture))


class Card:
    """The memory of one GPU, measured in bytes.

    Args:
        device: torch's name.
    """

    def __init__(self, device: str) -> None:
        self._device = device

    def room(self) -> int:
        """The bytes that the next call can use: those that are free, and those that torch holds unused."""
        import torch

        free, _ = torch.cuda.mem_get_info(self._device)
        held = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return int(free + held)

    def begin(self) -> int:
        """Restart the measurement of `peak`, and return the bytes that are in use now."""
        import torch

        torch.cuda.reset_peak_memory_stats(self._device)
        return int(torch.cuda.memory_allocated(self._device))

    def peak(self) -> int:
        """The most bytes that were in use at one moment since `begin`."""
        import torch

        return int(torch.cuda.max_memory_allocated(self._device))


class Fitting:
    """How many pictures each plan's calls draw. Every method runs on the launch thread.

    Args:
        card: the memory of the GPU that holds the whole model.
    """

    def __init__(self, card: Card) -> None:
        self._card = card
        self._bytes_per_pixel = WORKING_BYTES / MEGAPIXEL
        self._settled: dict[Plan, int] = {}

    def most(self, plan: Plan) -> int:
        """The number of pictures for the next call of this plan."""
        if plan in self._settled:
            return self._settled[plan]
        fitting = pictures_that_fit(self._card.room(), self._bytes_per_pixel * _pixels(plan.size))
        return min(pictures_to_fill(plan.size), fitting)

    @contextmanager
    def measured(self, plan: Plan, pictures: int) -> Iterator[None]:
        """Measure the memory of the call inside the `with`; the first call of a plan settles the plan's number.

        Args:
            plan: the plan of the call.
            pictures: how many pictures the call draws.
        """
        if plan in self._settled:
            yield
            return
        before = self._card.begin()
        yield
        per_picture = max(1.0, (self._card.peak() - before) / pictures)
        self._bytes_per_pixel = per_picture / _pixels(plan.size)
        # This many pictures did fit. In a larger call each takes less than one took here, because what the pictures of
        # a call share is counted once.
        fitting = max(pictures, pictures_that_fit(self._card.room(), per_picture))
        self._settled[plan] = min(pictures_to_fill(plan.size), fitting)


def _pixels(size: Size | None) -> int:
    return MEGAPIXEL if size is None else size[0] * size[1]
