"""Asks a server of one's own what it is: which models it lists, and which fields its paths for pictures take.

Two GETs ask it: `/models`, and `/openapi.json`, which vLLM-Omni, SGLang and Dynamo have. Both are harmless and short,
and a failed one raises nothing: less is known then. An unknown value is None, an empty one is empty. All servers are
asked at the same time, on an event loop of their own.

A proxy may keep the description back. Where the list then names an engine as the owner of all models, a GET of each
path for pictures shows by HTTP 405 whether the path exists, and its fields are those that the engine is known to take.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

import orjson

from dataflow.core.records import JSON
from dataflow.serving.api.http.get import Found, get_all
from dataflow.serving.dialects.narrow import as_dict, as_dicts, as_list, as_text

SECONDS = 5.0  # for each GET, all of which begin together
SLOW_SECONDS = 25.0  # for each GET to a server that took a connection and did not answer in time
_NOT_UP = (0, 502, 503, 504)  # HTTP status where no server answers, or a proxy says that none does
_PATHS = ("/images/edits", "/images/generations", "/chat/completions")
_MAX_NAME = 300  # characters of a name

Software = Literal["vLLM-Omni", "SGLang", "Dynamo", ""]
Fields = frozenset[str]
# The fields that we send without the user's asking, as far as both engines' forms of an edit have them.
# Source: vLLM-Omni 0.30 and SGLang 0.5.23.
_FIELDS: Fields = frozenset(("negative_prompt", "true_cfg_scale", "output_format"))
_OWNERS: Mapping[str, tuple[Software, Fields]] = {
    "vllm": ("vLLM-Omni", _FIELDS | {"mask_image"}),
    "sglang": ("SGLang", _FIELDS),
}


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model in a server's list.

    Args:
        name: under which requests ask for the model.
        root: the folder, or the name on the hub, from which it was loaded; empty: not known.
        owner: whom the list names as the owner; engines name their own software.
        pipeline: the name of the class that draws; empty: not known.
    """

    name: str
    root: str = ""
    owner: str = ""
    pipeline: str = ""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself.

    Args:
        models: that the server lists; None: it has no list.
        edits: the fields of the path `/images/edits`; empty: the path exists, and its fields are not described. None:
            the path does not exist, or the server does not describe its paths.
        draws: the fields of the path `/images/generations`, likewise.
        chats: the fields of the path `/chat/completions`, likewise.
        software: that the server runs; empty: not known.
        is_undescribed: whether the server answers and does not describe its paths.
        is_late: whether the server took a connection and did not answer both GETs in time, or came up meanwhile.
        is_unreachable: whether the server took no connection, or a proxy says that it does not answer.
    """

    models: tuple[ListedModel, ...] | None = None
    edits: Fields | None = None
    draws: Fields | None = None
    chats: Fields | None = None
    software: Software = ""
    is_undescribed: bool = False
    is_late: bool = False
    is_unreachable: bool = False

    @property
    def names(self) -> frozenset[str] | None:
        """The names of the listed models; None: the server has no list."""
        return None if self.models is None else frozenset(model.name for model in self.models)

    @property
    def is_known(self) -> bool:
        """Whether the server said anything of itself."""
        return replace(self, is_undescribed=False, is_late=False, is_unreachable=False) != ServerFacts()

    @property
    def draws_by_images(self) -> bool:
        """Whether the server has a path for pictures."""
        return self.edits is not None or self.draws is not None

    @property
    def may_edit(self) -> bool:
        """Whether the server has a path for edits, or may edit over another path."""
        return self.edits is not None or self.draws is None

    @property
    def is_complete(self) -> bool:
        """Whether the facts suffice to ask the server for pictures in its own way."""
        return self.draws_by_images and (self.software != "" or not self.is_late)

    @property
    def is_final(self) -> bool:
        """Whether the server would say the same if it was asked later."""
        return self.is_complete or not (self.is_late or self.is_unreachable)

    def model(self, name: str) -> ListedModel:
        """The listed model of this name; else the only model of the list; else a model with nothing but this name."""
        listed = self.models or ()
        only = listed[0] if len(listed) == 1 else ListedModel(name)
        return next((model for model in listed if model.name == name), only)


def probe(servers: Mapping[str, Mapping[str, str]], *, timeout: float = SECONDS) -> dict[str, ServerFacts]:
    """Ask several servers at the same time what they are.

    Args:
        servers: address, normalised → the headers of requests to it, the key's among them.
        timeout: seconds for each GET.

    Returns:
        Address → what the server said.
    """
    # In a thread of its own, since an event loop may already run in the caller's.
    with ThreadPoolExecutor(1, thread_name_prefix="probe") as thread:
        return thread.submit(asyncio.run, ask_all(servers, timeout=timeout)).result()


async def ask_all(servers: Mapping[str, Mapping[str, str]], *, timeout: float) -> dict[str, ServerFacts]:
    """As `probe`, on the caller's event loop."""
    facts = await asyncio.gather(*(_ask(address, headers, timeout) for address, headers in servers.items()))
    return dict(zip(servers, facts, strict=True))


async def _ask(address: str, headers: Mapping[str, str], timeout: float) -> ServerFacts:
    places = f"{address}/models", _description_of(address)
    listed, described = await get_all(places, headers, timeout=timeout)
    description = _json(described)
    facts = facts_of(address, _json(listed), description)
    missed = [found.status in _NOT_UP and not found.cut for found in (listed, described)]
    is_up = listed.late or described.late or not all(missed)
    facts = replace(facts, is_late=is_up and any(missed), is_unreachable=not is_up)
    if isinstance(description, dict):
        return facts
    paths = [f"{address}{path}" for path in _PATHS[:2]] if _engine(facts.models) else []
    edits, draws = [found.status == 405 for found in await get_all(paths, headers, timeout=timeout)] or (False, False)
    return _without_description(
        replace(facts, is_undescribed=described.cut or described.status not in _NOT_UP), edits=edits, draws=draws
    )


def _without_description(facts: ServerFacts, *, edits: bool, draws: bool) -> ServerFacts:
    """The facts with the fields that the engine is known to take which the list names as the owner.

    Args:
        facts: of a server that does not describe its paths.
        edits: whether the server has a path for edits.
        draws: whether the server has a path for drawing from text.
    """
    engine = _engine(facts.models)
    if engine is None or not (edits or draws):
        return facts
    software, fields = engine
    return replace(facts, software=software, edits=fields if edits else None, draws=fields if draws else None)


def _engine(models: tuple[ListedModel, ...] | None) -> tuple[Software, Fields] | None:
    """The engine that owns all models of a list, and the fields that it takes; None: the list names no known engine."""
    owners = {model.owner for model in models or ()}
    return _OWNERS.get(owners.pop()) if len(owners) == 1 else None


def _json(found: Found) -> JSON:
    """The JSON in a reply; None: there is none."""
    try:
        value: JSON = orjson.loads(found.body)
    except ValueError:
        return None
    return value


def facts_of(address: str, listed: JSON, described: JSON) -> ServerFacts:
    """The facts that the two replies of a server hold.

    Args:
        address: normalised.
        listed: the list of models, as JSON; None: there is none.
        described: the OpenAPI description of the server's paths, as JSON; None: there is none.
    """
    data = as_dict(listed).get("data")
    listing = [model for entry in as_dicts(data) if (model := _listed(entry)).name]
    models = tuple(listing) if isinstance(data, list) else None
    description = as_dict(described)
    edits, draws, chats = (_fields(description, address, path) for path in _PATHS)
    return ServerFacts(models, edits, draws, chats, _software(models or (), description, edits))


def _listed(entry: Mapping[str, JSON]) -> ListedModel:
    names = (as_text(entry.get(name))[:_MAX_NAME] for name in ("id", "root", "owned_by", "pipeline_class"))
    return ListedModel(*names)


def _software(models: tuple[ListedModel, ...], description: Mapping[str, JSON], edits: Fields | None) -> Software:
    owners = {model.owner for model in models}
    if "Dynamo" in as_text(as_dict(description.get("info")).get("title")):
        return "Dynamo"
    if "sglang" in owners:
        return "SGLang"
    # vLLM, which does not draw, names the same owner.
    return "vLLM-Omni" if "vllm" in owners and edits is not None else ""


def _description_of(address: str) -> str:
    """The URL of a server's description: beside the version, which is the first part of its other paths."""
    root, _, version = address.rpartition("/")
    return f"{root if version == 'v1' else address}/openapi.json"


def _fields(description: Mapping[str, JSON], address: str, path: str) -> Fields | None:
    """The fields of a POST to a path; None: the description has no such path."""
    paths = as_dict(description.get("paths"))
    candidates = (f"{urlsplit(address).path}{path}", f"/v1{path}")
    methods = as_dict(next((paths[place] for place in candidates if place in paths), None))
    if "post" not in methods:
        return None
    body = as_dict(as_dict(methods["post"]).get("requestBody"))
    kinds = as_dict(body.get("content")).values()
    schemas = [_resolved(description, as_dict(kind).get("schema")) for kind in kinds]
    return frozenset(name for schema in schemas for part in schema for name in as_dict(part.get("properties")))


def _resolved(description: Mapping[str, JSON], schema: JSON) -> list[dict[str, JSON]]:
    """The JSON objects that make up a schema, its references replaced by what they refer to."""
    schemas = as_dict(as_dict(description.get("components")).get("schemas"))
    parts = [as_dict(part) for part in (schema, *as_list(as_dict(schema).get("allOf")))]
    return [as_dict(schemas.get(as_text(part.get("$ref")).rpartition("/")[2])) or part for part in parts]
