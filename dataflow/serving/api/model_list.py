"""Reads the list of models of an address: `GET /models`, in the forms of OpenAI, Google and their imitators."""

import asyncio
from collections.abc import Mapping

from dataflow.core.records import JSON
from dataflow.serving.api.http.get import get_all
from dataflow.serving.dialects.lenient import loads
from dataflow.serving.dialects.narrow import as_list, as_text

_SECONDS = 10.0
_LISTS = ("data", "models")
_NAMES = ("id", "name")


async def listed_models(address: str, headers: Mapping[str, str], path: str = "/models") -> frozenset[str] | None:
    """The names of the models that an address lists; None: it has no list, an empty one, or one without end.

    Args:
        address: normalised.
        headers: of the request, the key's among them.
        path: of the list, below the address.
    """
    (reply,) = await get_all([f"{address}{path}"], headers, timeout=_SECONDS)
    return await asyncio.to_thread(read_models, reply.body)


def read_models(body: bytes) -> frozenset[str] | None:
    """The names in the body of a list of models; None: the body is no such list, or an empty one."""
    try:
        value = loads(body)
    except ValueError:
        return None
    if isinstance(value, dict):
        value = next((listed for field in _LISTS if (listed := value.get(field))), None)
    return frozenset(filter(None, map(_name, as_list(value)))) or None


def _name(entry: JSON) -> str:
    if not isinstance(entry, dict):
        return as_text(entry)
    return next((name for field in _NAMES if (name := as_text(entry.get(field)))), "")
