"""What one provider wants that another refuses; chosen by the host of the address."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dataflow.core.records import JSON


@dataclass(frozen=True, slots=True)
class Provider:
    """Fields a provider needs beside the standard ones. A server that refuses one by name gets it no more.

    Args:
        hosts: the host names it answers at, their subdomains included.
        chat_fields: sent with a chat that asks for a picture.
        images_fields: sent to the images API.
        openai_account: whether the organisation and project of an OpenAI account concern it.
    """

    hosts: tuple[str, ...] = ()
    chat_fields: Mapping[str, JSON] = field(default_factory=dict)
    images_fields: Mapping[str, JSON] = field(default_factory=dict)
    openai_account: bool = False


# Routers give a picture only if it is asked for; self-hosted images APIs give a URL unless told otherwise.
DEFAULT = Provider(
    chat_fields={"modalities": ["image", "text"]},
    images_fields={"response_format": "b64_json"},
)
OPENROUTER = Provider(
    hosts=("openrouter.ai",),
    chat_fields={"modalities": ["image", "text"]},
)
GOOGLE = Provider(
    hosts=("generativelanguage.googleapis.com",),
    images_fields={"response_format": "b64_json"},
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
