"""Knows which models providers serve, until when, and what takes their place: the file `models.yaml`, read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from dataflow.core.model_names import bare_name, undated
from dataflow.core.records import Makes

FILE = Path(__file__).with_name("models.yaml")


@dataclass(frozen=True, slots=True)
class Model:
    """A model of a provider.

    Args:
        makes: what its answers hold, "image" or "text".
        shut_down: the first day on which the provider does not serve the model; None: no day is announced.
        rerouted: the first day on which another model answers under this name; None: no day is announced.
        successor: the name of the model that takes its place; empty: the model stays.
    """

    makes: Makes
    shut_down: date | None = None
    rerouted: date | None = None
    successor: str = ""

    @property
    def last_day(self) -> date | None:
        """The first day on which the model does not answer under its name; None: no day is announced."""
        return self.shut_down or self.rerouted

    def is_gone(self, today: date) -> bool:
        """Whether its provider no longer serves the model on this day."""
        return self.last_day is not None and self.last_day <= today

    @property
    def end(self) -> str:
        """Words for the model's end, such as "shut down on 2026-09-30"; empty: none is announced."""
        if self.shut_down is not None:
            return f"shut down on {self.shut_down}"
        return f"rerouted to {self.successor} on {self.rerouted}" if self.rerouted is not None else ""


def known_model(name: str) -> Model | None:
    """The model of this name, however a gateway spells it; None: `models.yaml` does not have it."""
    bare, models = bare_name(name).partition(":")[0], _read().models
    return models.get(bare) or models.get(undated(bare))


def default_model(makes: Makes) -> str:
    """The model that the pipelines use where the user names none, for "image" or "text"."""
    return _read().defaults[makes]


def former_defaults(makes: Makes) -> Sequence[str]:
    """The models that earlier versions of the pipelines used where the user named none."""
    return _read().former[makes]


def replacement(name: str) -> str:
    """How a model ends, and the line of code that names its successor; empty: no end is announced."""
    model = known_model(name)
    return f'{model.end}: change one line, to model_name="{model.successor}"' if model and model.end else ""


@dataclass(frozen=True, slots=True)
class _Known:
    defaults: Mapping[Makes, str]
    former: Mapping[Makes, Sequence[str]]
    models: Mapping[str, Model]


@cache
def _read() -> _Known:
    import yaml  # a twentieth of a second

    read = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    models = {name: Model(**fields) for name, fields in read["models"].items()}
    return _Known(read["defaults"], read["former"], models)
