"""Which models of providers are served, until when and what takes their place: the file `models.yaml`, read once."""

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
        makes: what its answers hold.
        shut_down: from when its provider does not serve it; None: no day was announced.
        rerouted: from when another one answers under its name; None: no day was announced.
        successor: what takes its place; empty where it has no day.
    """

    makes: Makes
    shut_down: date | None = None
    rerouted: date | None = None
    successor: str = ""

    @property
    def last_day(self) -> date | None:
        """From when it is not served under its name."""
        return self.shut_down or self.rerouted

    def is_gone(self, today: date) -> bool:
        """Whether its provider serves it no more."""
        return self.last_day is not None and self.last_day <= today

    @property
    def end(self) -> str:
        """Its end in words, behind "was"; empty if none was announced."""
        if self.shut_down is not None:
            return f"shut down on {self.shut_down}"
        return f"rerouted to {self.successor} on {self.rerouted}" if self.rerouted is not None else ""


def known_model(name: str) -> Model | None:
    """What is known of a model as an address names it, or None."""
    bare, models = bare_name(name).partition(":")[0], _read().models
    return models.get(bare) or models.get(undated(bare))


def default_model(makes: Makes) -> str:
    """The model that pipelines ask for where none is named."""
    return _read().defaults[makes]


def former_defaults(makes: Makes) -> Sequence[str]:
    """The models that earlier versions of the pipelines asked for where none was named."""
    return _read().former[makes]


def replacement(name: str) -> str:
    """Why a model is asked for no more, and the line that asks for its successor; empty if it has none."""
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
