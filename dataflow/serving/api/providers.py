"""What one provider wants that another refuses; chosen by the host of the address, or given by the user."""

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
    """What a provider needs beside the standard fields.

    Args:
        hosts: the host names it answers at, their subdomains included.
        dialect: the wire format it speaks, perhaps its own form of one; None: the model's name decides.
        openai_path: the part of a path below which it speaks OpenAI's chat instead.
        picture_fields: name of a format → fields sent with what asks for a picture. A server that refuses one by
            name gets it no more.
        edit_fields: sent with what asks for an edit, and in its id, since they change what is drawn.
        engine_fields: the object into which what engines take beside OpenAI's fields goes, a seed among it; empty:
            there is none.
        edit_pixels: of an edit for which no size is asked, at the aspect of its first picture, and in its id; 0: the
            server decides.
        most_inputs: pictures that an edit may have; None: not known.
        mask_names: under which fields it is given a mask.
        mask_problem: why a mask is of no use there; empty if it is, or if that is not known.
        serves: the model that answers whatever name it is asked for, where its replies do not say so; empty: not known.
        openai_account: whether the organisation and project of an OpenAI account concern it.
        batch_problem: why its batch files are of no use; empty if they are.

    Raises:
        ConfigError: a field of another kind.
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
        """The wire format to speak at an address of this provider unless the user says otherwise.

        Args:
            address: normalised.
            model: the model's name at the provider.
        """
        if self.openai_path and self.openai_path in urlsplit(address).path.split("/"):
            return CHAT
        drawn_by_images_api = model.rpartition("/")[2].startswith(_IMAGES_MODELS)
        return self.dialect or (IMAGES if drawn_by_images_api else CHAT)

    def edits_ask(self, given: Mapping[str, JSON]) -> dict[str, JSON]:
        """What an edit asks for here beside its request, as its id has it.

        Args:
            given: the user's own fields, which stand in for ours.
        """
        asked: dict[str, JSON] = {name: value for name, value in self.edit_fields.items() if name not in given}
        if self.edit_pixels and not SIZE_FIELDS & given.keys():
            asked["pixels"] = self.edit_pixels
        return asked

    def dialect_named(self, name: str) -> Dialect:
        """The built-in wire format of this name, in the provider's own form if it has one."""
        return self.dialect if self.dialect is not None and self.dialect.name == name else DIALECTS[name]


# Any of them says how large a picture is to be.
SIZE_FIELDS = frozenset(("size", "width", "height", "resolution"))
# Models that no chat draws with.
_IMAGES_MODELS = ("gpt-image-", "chatgpt-image-", "dall-e-")
# Routers give a picture only if it is asked for.
_MODALITIES: Mapping[str, JSON] = {"modalities": ["image", "text"]}
# Self-hosted images APIs give a URL unless told otherwise.
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
# gpt-image always answers base64 and refuses `response_format`.
OPENAI = Provider(hosts=("api.openai.com",), openai_account=True)

PROVIDERS = (OPENROUTER, GOOGLE, OPENAI)


def provider_of(host: str) -> Provider:
    """The provider that answers at a host name, without port."""
    name = host.lower().rstrip(".")
    for provider in PROVIDERS:
        if any(name == each or name.endswith(f".{each}") for each in provider.hosts):
            return provider
    return DEFAULT
