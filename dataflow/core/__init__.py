"""The flow: values, workers, pools, the runner and the operators' base classes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflow.core.operator import OperatorABC as OperatorABC


def __getattr__(name: str) -> object:
    # Lazy, so that the lower modules of this folder can be imported without the upper ones.
    if name == "OperatorABC":
        from dataflow.core.operator import OperatorABC

        return OperatorABC
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
