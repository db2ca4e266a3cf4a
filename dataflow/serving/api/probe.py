"""What a server of one's own says of itself: the models that it lists, and what its paths for pictures take.

Two GETs: `/models`, and `/openapi.json`, which vLLM-Omni, SGLang and Dynamo have. Both are harmless, short, and free to
fail: of a server that says nothing, nothing is known, and nothing is raised. What is not said is None, so that it is
told apart from what is said to be empty. All servers are asked both at the same time, on an event loop of their own.

A proxy may keep the description back. Where the list then names an engine as the owner of all models, a GET of each
path for pictures shows whether there is one, as HTTP 405, and its fields are those that the engine is known to take.
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
PATIENCE = 25.0  # the same for one that took a connection and did not answer in time
_NOT_UP = (0, 502, 503, 504)  # HTTP status where nobody answers, or a proxy says so
_PATHS = ("/images/edits", "/images/generations", "/chat/completions")
_NAME = 300  # characters of a name, which is a stranger's

Software = Literal["vLLM-Omni", "SGLang", "Dynamo", ""]
Fields = frozenset[str]
# Source: the forms of edits in vLLM-Omni 0.30 and SGLang 0.5.23, as far as fields are sent unasked.
_FIELDS: Fields = frozenset(("negative_prompt", "true_cfg_scale", "output_format"))
_OWNERS: Mapping[str, tuple[Software, Fields]] = {
    "vllm": ("vLLM-Omni", _FIELDS | {"mask_image"}),
    "sglang": ("SGLang", _FIELDS),
}


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model in a server's list.

    Args:
        name: by which requests name it.
        root: the folder or the name on the hub that it was loaded from, as far as it is told.
        owner: the software that lists it, with engines.
        pipeline: the class that draws, as far as it is told.
    """

    name: str
    root: str = ""
    owner: str = ""
    pipeline: str = ""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself.

    Args:
        models: that it lists; None: it has no list.
        edits: the fields of `/images/edits`; empty where they are not told, None where there is no such path, or no
            description of the server's paths.
        draws: the same of `/images/generations`.
        chats: the same of `/chat/completions`.
        software: that answers, as far as its words show.
        hides: it answers, and does not describe its paths.
        late: it took a connection, and did not answer all in time, or came up meanwhile.
        away: it took none, or a proxy says so for it.
    """

    models: tuple[ListedModel, ...] | None = None
    edits: Fields | None = None
    draws: Fields | None = None
    chats: Fields | None = None
    software: Software = ""
    hides: bool = False
    late: bool = False
    away: bool = False

    @property
    def names(self) -> frozenset[str] | None:
        """The names of its models; None: it has no list."""
        return None if self.models is None else frozenset(model.name for model in self.models)

    @property
    def is_known(self) -> bool:
        """Whether it said anything."""
        return replace(self, hides=False, late=False, away=False) != ServerFacts()

    @property
    def draws_by_images(self) -> bool:
        """Whether it has a path for pictures."""
        return self.edits is not None or self.draws is not None

    @property
    def may_edit(self) -> bool:
        """Whether it has a path for edits, or may be asked for them in another way."""
        return self.edits is not None or self.draws is None

    @property
    def says_how(self) -> bool:
        """Whether it said all by which pictures are asked for there."""
        return self.draws_by_images and (self.software != "" or not self.late)

    @property
    def is_settled(self) -> bool:
        """Whether it would say nothing else if it was asked later."""
        return self.says_how or not (self.late or self.away)

    def model(self, name: str) -> ListedModel:
        """The model of this name, or the only one there is, whatever it is called; else nothing but the name."""
        listed = self.models or ()
        only = listed[0] if len(listed) == 1 else ListedModel(name)
        return next((model for model in listed if model.name == name), only)


def probe(servers: Mapping[str, Mapping[str, str]], *, timeout: float = SECONDS) -> dict[str, ServerFacts]:
    """What each of several servers says of itself; all are asked at the same time.

    Args:
        servers: address, normalised → the headers that carry its key.
        timeout: seconds for all of it.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="probe") as thread:  # a loop may run in the caller's
        return thread.submit(asyncio.run, ask_all(servers, timeout=timeout)).result()


async def ask_all(servers: Mapping[str, Mapping[str, str]], *, timeout: float) -> dict[str, ServerFacts]:
    """The same as `probe`, on the caller's event loop."""
    found = await asyncio.gather(*(_ask(address, headers, timeout) for address, headers in servers.items()))
    return dict(zip(servers, found, strict=True))


async def _ask(address: str, headers: Mapping[str, str], timeout: float) -> ServerFacts:
    places = f"{address}/models", _description_of(address)
    listed, described = await get_all(places, headers, timeout=timeout)
    description = _json(described)
    facts = facts_of(address, _json(listed), description)
    missed = [found.status in _NOT_UP and not found.cut for found in (listed, described)]
    is_there = listed.late or described.late or not all(missed)
    facts = replace(facts, late=is_there and any(missed), away=not is_there)
    if isinstance(description, dict):
        return facts
    paths = [f"{address}{path}" for path in _PATHS[:2]] if _engine(facts.models) else []
    edits, draws = [found.status == 405 for found in await get_all(paths, headers, timeout=timeout)] or (False, False)
    return _without_description(
        replace(facts, hides=described.cut or described.status not in _NOT_UP), edits=edits, draws=draws
    )


def _without_description(facts: ServerFacts, *, edits: bool, draws: bool) -> ServerFacts:
    """The same with what the engine is known to take that its list names.

    Args:
        facts: of a server that does not describe its paths.
        edits: it has a path for edits.
        draws: it has one for drawing from text.
    """
    engine = _engine(facts.models)
    if engine is None or not (edits or draws):
        return facts
    software, fields = engine
    return replace(facts, software=software, edits=fields if edits else None, draws=fields if draws else None)


def _engine(models: tuple[ListedModel, ...] | None) -> tuple[Software, Fields] | None:
    """The engine that all models in a list are owned by, and the fields that it takes; None: that is not told."""
    owners = {model.owner for model in models or ()}
    return _OWNERS.get(owners.pop()) if len(owners) == 1 else None


def _json(found: Found) -> JSON:
    """The JSON that was found; None: there is none."""
    try:
        value: JSON = orjson.loads(found.body)
    except ValueError:
        return None
    return value


def facts_of(address: str, listed: JSON, described: JSON) -> ServerFacts:
    """What the two replies of a server say.

    Args:
        address: normalised.
        listed: the list of its models, as JSON; None: there is none.
        described: its OpenAPI description, as JSON; None: there is none.
    """
    data = as_dict(listed).get("data")
    listing = [model for entry in as_dicts(data) if (model := _listed(entry)).name]
    models = tuple(listing) if isinstance(data, list) else None
    description = as_dict(described)
    edits, draws, chats = (_fields(description, address, path) for path in _PATHS)
    return ServerFacts(models, edits, draws, chats, _software(models or (), description, edits))


def _listed(entry: Mapping[str, JSON]) -> ListedModel:
    names = (as_text(entry.get(name))[:_NAME] for name in ("id", "root", "owned_by", "pipeline_class"))
    return ListedModel(*names)


def _software(models: tuple[ListedModel, ...], description: Mapping[str, JSON], edits: Fields | None) -> Software:
    owners = {model.owner for model in models}
    if "Dynamo" in as_text(as_dict(description.get("info")).get("title")):
        return "Dynamo"
    if "sglang" in owners:
        return "SGLang"
    # vLLM, which draws nothing, gives itself the same owner.
    return "vLLM-Omni" if "vllm" in owners and edits is not None else ""


def _description_of(address: str) -> str:
    """Where a server describes its paths: beside the first part of them, which names their version."""
    root, _, version = address.rpartition("/")
    return f"{root if version == 'v1' else address}/openapi.json"


def _fields(description: Mapping[str, JSON], address: str, path: str) -> Fields | None:
    """The fields of what is posted to a path; None: there is no such path."""
    paths = as_dict(description.get("paths"))
    place = next((each for each in (f"{urlsplit(address).path}{path}", f"/v1{path}") if each in paths), "")
    methods = as_dict(paths.get(place))
    if "post" not in methods:
        return None
    body = as_dict(as_dict(methods["post"]).get("requestBody"))
    kinds = as_dict(body.get("content")).values()
    schemas = [_resolved(description, as_dict(kind).get("schema")) for kind in kinds]
    return frozenset(name for schema in schemas for part in schema for name in as_dict(part.get("properties")))


def _resolved(description: Mapping[str, JSON], schema: JSON) -> list[dict[str, JSON]]:
    """The objects that a schema names or is made of."""
    schemas = as_dict(as_dict(description.get("components")).get("schemas"))
    parts = [as_dict(each) for each in (schema, *as_list(as_dict(schema).get("allOf")))]
    return [as_dict(schemas.get(as_text(part.get("$ref")).rpartition("/")[2])) or part for part in parts]
