"""`APIVLMServing_openai`: the guide's name for a serving over an OpenAI-compatible address."""

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
    """The parameters that both of the guide's servings over an API take under one name."""

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
    """Pictures and texts over an OpenAI-compatible address.

    Args:
        api_url: the address, with or without `/v1`; None: read from `DF_BASE_URL`. Several, in a list or
            with commas between them, share the requests: replicas that serve the same model.
        key_name_of_api_key: the environment variable that holds the key. Addresses of this machine or
            its own network need none.
        model_name: the model's name at the provider.
        image_io: where the pictures are stored; leave it out for text only.
        send_request_stream: ask for streamed replies; some gateways give pictures only so.
        max_workers: most requests in flight; None: begin with 16 and find out how many the server takes, up
            to 256. A number is also what it begins with, up to 64. Of several addresses: in flight at each, at
            most 16 unless told otherwise. Engines of one's own network begin with 4 each, and get no more than
            they answer within a third of `timeout`, unless told otherwise.
        requests_per_minute: most requests that start in a minute; None: as many as the server is found to take.
        timeout: seconds for one attempt, of which connecting may take 10 and silence 300.
        extra_body: fields sent at the top level as they are; they become part of every request's id.
        api_format: "chat" for `/chat/completions`, "images" for `/images/edits` and `/images/generations`,
            "responses" for `/responses`, "gemini" for Google's `generateContent`; None: the address and
            the model's name decide.
        dialect: a wire format of your own, in place of `api_format`.
        provider: what your server wants beside the standard fields, in place of what its host name says.
        picture_hosts: hosts of your own network, such as "images.lan", "10.0.0.5:9000" or "198.18.0.0/15", from which
            pictures that a reply only names are fetched. Public hosts and the server of `api_url` need no naming.
        temperature: sampling temperature; None leaves it to the model, as the images API always does.
        max_tokens: longest answer in tokens; None leaves it to the model.
        send_json_schema: send the JSON schema of a request that has one, for providers
            that hold their model to it. Left out of ids: what fits the schema fits it either way.
        batch: let requests go into batch files, which the provider works off within a day at half the price.
        strict_model: stop the run, before a second request, when a reply names another model than `model_name`. Left
            out of ids. Without it such answers are taken, counted and told of once.

    Raises:
        ConfigError: a setting that cannot be right. Address, key and model are checked by `prepare`.
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
