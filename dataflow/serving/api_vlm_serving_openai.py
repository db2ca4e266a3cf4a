"""`APIVLMServing_openai`: the serving for pictures and texts over an OpenAI-compatible address."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from dataflow.core.arguments import checked
from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.io.image import ImageIO
from dataflow.serving.api.providers import Provider
from dataflow.serving.api.serving import ApiServing
from dataflow.serving.api.settings import KEY_VARIABLE, ApiSettings
from dataflow.serving.dialects import Dialect, Format


class ApiOptions(TypedDict, total=False):
    """The parameters that both servings over an API take under the same name."""

    key_name_of_api_key: str
    model_name: str
    send_request_stream: bool
    requests_per_minute: float | None
    timeout: float
    extra_body: Mapping[str, JSON] | None
    dialect: Dialect | None
    provider: Provider | None
    picture_hosts: Sequence[str]
    batch: bool
    strict_model: bool


class APIVLMServing_openai(ApiServing):  # noqa: N801 - the guide's name
    """Draws, edits and writes over an OpenAI-compatible address.

    The provider charges for every answer, and may charge for an attempt that broke off. A step journals each answer
    with its cost, so a run that is resumed or repeated pays for no answer twice. To construct a serving sends nothing
    and costs nothing. A request's id holds the model, `temperature`, `max_tokens`, `extra_body` and the fields that
    `provider` adds to edits: other values are other requests, which cost again. All further parameters may change
    between runs.

    Args:
        api_url: the address, with or without `/v1`; None: the environment variable `DF_BASE_URL`. Several addresses, in
            a list or with commas between them, are replicas of the same model and share the requests.
        key_name_of_api_key: the name of the environment variable that holds the key; default: "DF_API_KEY". An
            address of this machine or of its own network needs no key.
        model_name: the model's name at the provider.
        image_io: the store for pictures; None: the serving answers with texts alone.
        send_request_stream: whether to ask for streamed replies; some gateways send pictures in no other form.
        max_workers: the most requests in flight. None: the serving begins with 16 and finds out how many the server
            takes, up to 256. A number is also the number that it begins with, up to 64. With several addresses the
            number holds for each, and None means at most 16 for each. An engine on one's own network begins with 4
            under None, and gets no more than it answers within a third of `timeout`.
        requests_per_minute: the most requests that start in a minute; None: as many as the server is found to take.
        timeout: seconds for one attempt, of which connecting may take 10 and silence 300.
        extra_body: JSON fields that every request carries at its top level, in place of ours of the same name; None:
            there are none.
        api_format: the wire format: "chat" for `/chat/completions`, "images" for `/images/edits` and
            `/images/generations`, "responses" for `/responses`, "gemini" for Google's `generateContent`. None: the
            address and the model's name decide.
        dialect: a wire format of your own, in place of `api_format`.
        provider: what the server wants beside the standard fields; None: the address's host name decides.
        picture_hosts: hosts of your own network, such as "images.lan", "10.0.0.5:9000" or "198.18.0.0/15", from which
            the pictures are fetched that a reply only names. Public hosts and the host of `api_url` are always allowed.
        temperature: sampling temperature; None: the model's default. The images API takes none.
        max_tokens: the longest answer, in tokens; None: the model's default.
        send_json_schema: whether to send the JSON schema of a request that has one, for providers that hold their model
            to it.
        batch: whether requests go into batch files, which the provider works off within a day at half the price.
        strict_model: whether the run stops, before a second request, when a reply names another model than
            `model_name`. False: such answers are taken and counted, and one warning tells of them.

    Raises:
        ConfigError: a setting that cannot be right. `prepare` checks address, key and model, at the start of a step.
    """

    @checked
    def __init__(
        self,
        api_url: str | Sequence[str] | None = None,
        key_name_of_api_key: str = KEY_VARIABLE,
        *,
        model_name: str = "",
        image_io: ImageIO | None = None,
        send_request_stream: bool = False,
        max_workers: int | None = None,
        requests_per_minute: float | None = None,
        timeout: float = 600.0,
        extra_body: Mapping[str, JSON] | None = None,
        api_format: Format | None = None,
        dialect: Dialect | None = None,
        provider: Provider | None = None,
        picture_hosts: Sequence[str] = (),
        temperature: float | None = None,
        max_tokens: int | None = None,
        send_json_schema: bool = False,
        batch: bool = False,
        strict_model: bool = False,
    ) -> None:
        super().__init__(
            ApiSettings(
                api_url, model_name, image_io, key_name_of_api_key,
                dialect=_one_of(api_format, dialect),
                provider=provider,
                picture_hosts=picture_hosts,
                stream=send_request_stream,
                send_schema=send_json_schema,
                width=max_workers,
                requests_per_minute=requests_per_minute,
                timeout=timeout,
                sampling={"temperature": temperature, "max_tokens": max_tokens},
                extra_body=extra_body or {},
                batch=batch,
                strict_model=strict_model,
            )
        )  # fmt: skip


def _one_of(api_format: Format | None, dialect: Dialect | None) -> Format | Dialect | None:
    if api_format is not None and dialect is not None:
        raise ConfigError(f"api_format={api_format!r} and dialect={dialect.name!r}: give one of them")
    return dialect or api_format
