"""How many pictures a call holds on a GPU: as many as keep it busy, of those that fit into its memory.

A picture counts as it does where the model is placed (`placing.py`) until the first call has shown
what it takes, as torch tells it. That settles its plan once, so that each size is compiled for few numbers of pictures,
and is the guess for the next plan. What does not fit all the same is found by running out of memory
(`dataflow.serving.local.runtime`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from dataflow.serving.backends import Plan, Size
from dataflow.serving.local.pictures.placing import WORKING_BYTES

MEGAPIXEL = 1024 * 1024
MOST = 16  # pictures; smaller ones than a quarter of a megapixel would gain little more
_FILLING = 4 * MEGAPIXEL  # of a call: a transformer of 12 billion weights should gain little from more
_USED = 0.9  # of the room: the rest is lost between blocks


def that_fill(size: Size | None) -> int:
    """Pictures of this size that keep a GPU busy in one call; None is taken for a megapixel."""
    return max(1, min(MOST, round(_FILLING / _pixels(size))))


def that_fit(room: int, each: float) -> int:
    """Pictures that fit, at least one.

    Args:
        room: bytes that are free once the model is loaded.
        each: bytes of one picture while it is drawn.
    """
    return max(1, int(room * _USED / each))


class Card:
    """The memory of a GPU, in bytes.

    Args:
        device: torch's name.
    """

    def __init__(self, device: str) -> None:
        self._device = device

    def room(self) -> int:
        """Free, or held by torch and not in use."""
        import torch

        free, _ = torch.cuda.mem_get_info(self._device)
        held = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return int(free + held)

    def begin(self) -> int:
        """Measure the most that is in use from here on; what is in use now."""
        import torch

        torch.cuda.reset_peak_memory_stats(self._device)
        return int(torch.cuda.memory_allocated(self._device))

    def peak(self) -> int:
        """The most that was in use since."""
        import torch

        return int(torch.cuda.max_memory_allocated(self._device))


class Fitting:
    """Pictures in a call of one plan. All of it runs on the launch thread.

    Args:
        card: with the whole model on it.
    """

    def __init__(self, card: Card) -> None:
        self._card = card
        self._a_pixel = WORKING_BYTES / MEGAPIXEL  # bytes
        self._settled: dict[Plan, int] = {}

    def most(self, plan: Plan) -> int:
        """Pictures in the next call of this plan."""
        if plan in self._settled:
            return self._settled[plan]
        return min(that_fill(plan.size), that_fit(self._card.room(), self._a_pixel * _pixels(plan.size)))

    @contextmanager
    def measured(self, plan: Plan, pictures: int) -> Iterator[None]:
        """A call draws so many meanwhile; the first of a plan settles how many it is from then on."""
        if plan in self._settled:
            yield
            return
        before = self._card.begin()
        yield
        each = max(1.0, (self._card.peak() - before) / pictures)
        self._a_pixel = each / _pixels(plan.size)
        # So many did fit. Of more, each takes less than one of these did: what they share is counted once.
        self._settled[plan] = min(that_fill(plan.size), max(pictures, that_fit(self._card.room(), each)))


def _pixels(size: Size | None) -> int:
    return MEGAPIXEL if size is None else size[0] * size[1]
