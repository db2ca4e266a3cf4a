"""What `run()` returns of a step that still runs."""

from collections.abc import Callable
from typing import Any

from dataflow.flow.summary import Summary


class Awaited:
    """Stands for the summary of a step that still runs: who looks at it waits for the step.

    Args:
        summary: waits for it, and raises what stopped the steps.
    """

    __slots__ = ("_summary",)
    __class__ = property(lambda self: Summary)  # isinstance() waits for nothing
    __dataclass_fields__ = Summary.__dataclass_fields__  # asdict() and replace() look for them at the type
    __dataclass_params__ = Summary.__dataclass_params__  # type: ignore[attr-defined]

    def __init__(self, summary: Callable[[], Summary]) -> None:
        self._summary = summary

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copies or pickles looks for hooks that no summary has
            raise AttributeError(name)
        return getattr(self._summary(), name)

    def __str__(self) -> str:
        return str(self._summary())

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return self._summary() == other

    def __reduce__(self) -> str | tuple[Any, ...]:
        return self._summary().__reduce_ex__(4)  # a copy, and what is read from a pickle, is a summary
