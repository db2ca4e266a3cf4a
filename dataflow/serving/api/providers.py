"""What one provider wants that another refuses; chosen by the host of the address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from dataflow.core.records import JSON
from dataflow.serving.dialects import Format


@dataclass(frozen=True, slots=True)
class Provider:
    """Fields a provider needs beside the standard ones. A server that refuses one by name gets it no more.

    Args:
        hosts: the host names it answers at, their subdomains included.
        format: the wire format it speaks; None: the model's name decides.
        chat_fields: sent with a chat that asks for a picture.
        images_fields: sent to the images API.
        image_config: whether a chat takes the size of a picture, in this field.
        openai_account: whether the organisation and project of an OpenAI account concern it.
    """

    hosts: tuple[str, ...] = ()
    format: Format | None = None
    chat_fields: Mapping[str, JSON] = field(default_factory=dict)
    images_fields: Mapping[str, JSON] = field(default_factory=dict)
    image_config: bool = False
    openai_account: bool = False


# Routers give a picture only if it is asked for; self-hosted images APIs give a URL unless told otherwise.
DEFAULT = Provider(
    chat_fields={"modalities": ["image", "text"]},
    images_fields={"response_format": "b64_json"},
)
OPENROUTER = Provider(
    hosts=("openrouter.ai",),
    format="chat",
    chat_fields={"modalities": ["image", "text"]},
    image_config=True,
)
GOOGLE = Provider(
    hosts=("generativelanguage.googleapis.com",),
    format="gemini",
    images_fields={"response_format": "b64_json"},
)
# gpt-image always answers base64 and refuses `response_format`.
OPENAI = Provider(hosts=("api.openai.com",), openai_account=True)

PROVIDERS = (OPENROUTER, GOOGLE, OPENAI)
# Models that no chat draws with.
_IMAGES_MODELS = ("gpt-image-", "chatgpt-image-", "dall-e-")


def provider_of(host: str) -> Provider:
    """The provider that answers at a host name, without port."""
    name = host.lower().rstrip(".")
    for provider in PROVIDERS:
        if any(name == each or name.endswith(f".{each}") for each in provider.hosts):
            return provider
    return DEFAULT


def format_of(address: str, model: str) -> Format:
    """The wire format to speak at an address unless the user says otherwise.

    Args:
        address: as the user wrote it; Google's path `/openai` is its OpenAI-compatible side.
        model: the model's name at the provider.
    """
    parts = urlsplit(address.strip())
    spoken = provider_of(parts.hostname or "").format
    if spoken is not None:
        return "chat" if spoken == "gemini" and "openai" in parts.path.split("/") else spoken
    return "images" if model.rpartition("/")[2].startswith(_IMAGES_MODELS) else "chat"
