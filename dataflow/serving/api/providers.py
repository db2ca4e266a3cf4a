"""Providers: what a server wants beside its dialect's standard fields, known by its host name or given by the user."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from dataflow.core.arguments import check_fields
from dataflow.core.records import JSON
from dataflow.serving.dialects import DIALECTS, Dialect
from dataflow.serving.dialects.chat import CHAT
from dataflow.serving.dialects.gemini import GEMINI
from dataflow.serving.dialects.images import IMAGES
from dataflow.serving.dialects.openrouter import OPENROUTER_CHAT


@dataclass(frozen=True, slots=True)
class Provider:
    """What a server wants beside the standard fields of its dialect.

    Args:
        hosts: the server's host names; their subdomains belong to it, too.
        dialect: the wire format that the server speaks, perhaps in its own form; None: the model's name decides.
        openai_path: the part of an address's path under which the server speaks OpenAI's chat in place of `dialect`;
            empty: there is none.
        picture_fields: name of a dialect → JSON fields of every request for a picture. A field that the server refuses
            by name is left out from then on.
        edit_fields: JSON fields of every request for an edit. They change the picture, so they are part of the id.
        engine_fields: the name of the object that holds what engines take beside OpenAI's fields, such as a seed;
            empty: such fields stand at the top level.
        edit_pixels: number of pixels of an edit whose request names no size, at the aspect of its first picture. It is
            part of the id. 0: the server decides.
        most_inputs: the most input pictures of an edit; None: not known.
        mask_names: the names of the fields in which a mask is sent.
        mask_problem: why masks do not count at the server; empty: they do, or it is not known.
        serves: the model that answers under every name, at a server whose replies do not name it; empty: not known.
        openai_account: whether the headers for organisation and project of an OpenAI account are sent.
        batch_problem: why batch files are of no use at the server; empty: they are of use.

    Raises:
        ConfigError: a field has a value of another type.
    """

    hosts: tuple[str, ...] = ()
    dialect: Dialect | None = None
    openai_path: str = ""
    picture_fields: Mapping[str, Mapping[str, JSON]] = field(default_factory=dict)
    edit_fields: Mapping[str, JSON] = field(default_factory=dict)
    engine_fields: str = ""
    edit_pixels: int = 0
    most_inputs: int | None = None
    mask_names: tuple[str, ...] = ("mask",)
    mask_problem: str = ""
    serves: str = ""
    openai_account: bool = False
    batch_problem: str = ""

    def __post_init__(self) -> None:
        check_fields(self)

    def dialect_at(self, address: str, model: str) -> Dialect:
        """The wire format for an address of this provider, where the user names none.

        Args:
            address: normalised.
            model: the model's name at the provider.
        """
        if self.openai_path and self.openai_path in urlsplit(address).path.split("/"):
            return CHAT
        drawn_by_images_api = model.rpartition("/")[2].startswith(_IMAGES_MODELS)
        return self.dialect or (IMAGES if drawn_by_images_api else CHAT)

    def edits_ask(self, given: Mapping[str, JSON]) -> dict[str, JSON]:
        """The fields that this provider adds to every edit, as they enter the request's id.

        Args:
            given: the user's own fields, which replace ours of the same name.
        """
        added: dict[str, JSON] = {name: value for name, value in self.edit_fields.items() if name not in given}
        if self.edit_pixels and not SIZE_FIELDS & given.keys():
            added["pixels"] = self.edit_pixels
        return added

    def dialect_named(self, name: str) -> Dialect:
        """The wire format of this name: in the provider's own form if it has one, else the built-in form."""
        return self.dialect if self.dialect is not None and self.dialect.name == name else DIALECTS[name]


SIZE_FIELDS = frozenset(("size", "width", "height", "resolution"))  # each sets the size of the picture
_IMAGES_MODELS = ("gpt-image-", "chatgpt-image-", "dall-e-")  # draw over the images API alone
# Routers send a picture only where the request names it.
_MODALITIES: Mapping[str, JSON] = {"modalities": ["image", "text"]}
# Without this field, self-hosted images APIs send a URL.
_BASE64: Mapping[str, JSON] = {"response_format": "b64_json"}

DEFAULT = Provider(picture_fields={"chat": _MODALITIES, "images": _BASE64})
OPENROUTER = Provider(
    hosts=("openrouter.ai",),
    dialect=OPENROUTER_CHAT,
    picture_fields={"chat": _MODALITIES},
    batch_problem="the batches of OpenRouter take no pictures as data: ask OpenAI or Google, or leave out batch",
)
GOOGLE = Provider(
    hosts=("generativelanguage.googleapis.com",),
    dialect=GEMINI,
    openai_path="openai",
    picture_fields={"images": _BASE64},
)
# The gpt-image models always send base64, and refuse `response_format`.
OPENAI = Provider(hosts=("api.openai.com",), openai_account=True)

PROVIDERS = (OPENROUTER, GOOGLE, OPENAI)


def provider_of(host: str) -> Provider:
    """The provider at a host name without port; `DEFAULT`: none is known there."""
    name = host.lower().rstrip(".")
    for provider in PROVIDERS:
        if any(name == known_host or name.endswith(f".{known_host}") for known_host in provider.hosts):
            return provider
    return DEFAULT
