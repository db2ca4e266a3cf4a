"""Values and contracts: records, workers, sources, retries, and the process's one event loop."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflow.operators.base import OperatorABC as OperatorABC


def __getattr__(name: str) -> object:
    # Lazy, since the guide imports it from here and operators stand floors above.
    if name == "OperatorABC":
        from dataflow.operators.base import OperatorABC

        return OperatorABC
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
