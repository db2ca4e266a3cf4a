"""The stand-in for the summary of a step that still runs, which `run()` returns in an overlapped block."""

from collections.abc import Callable
from typing import Any

from dataflow.flow.summary import Summary


class Awaited:
    """Stands for the summary of a step that still runs; reading anything of it waits for the step.

    Args:
        summary: waits for the step and returns its summary, or raises the error that stopped the steps.
    """

    __slots__ = ("_summary",)
    __class__ = property(lambda self: Summary)  # so that isinstance() does not wait
    __dataclass_fields__ = Summary.__dataclass_fields__  # asdict() and replace() look for them at the type
    __dataclass_params__ = Summary.__dataclass_params__  # type: ignore[attr-defined]

    def __init__(self, summary: Callable[[], Summary]) -> None:
        self._summary = summary

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy and pickle look for hooks that a Summary does not have
            raise AttributeError(name)
        return getattr(self._summary(), name)

    def __str__(self) -> str:
        return str(self._summary())

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return self._summary() == other

    def __reduce__(self) -> str | tuple[Any, ...]:
        return self._summary().__reduce_ex__(4)  # copying and unpickling give a Summary
