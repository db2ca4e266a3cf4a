"""`APIVLMServing_openai`: the guide's name for a serving over an OpenAI-compatible address."""

from collections.abc import Mapping
from typing import Literal

import orjson

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.io.image import ImageIO
from dataflow.serving.api import ApiServing, ApiSettings
from dataflow.serving.dialects import DIALECTS


class APIVLMServing_openai(ApiServing):  # noqa: N801 - the guide's name
    """Pictures and texts over an OpenAI-compatible address.

    Args:
        api_url: the address, with or without `/v1`; None: read from `DF_BASE_URL`.
        key_name_of_api_key: the environment variable that holds the key. Addresses of this machine or
            its own network need none.
        model_name: the model's name at the provider.
        image_io: where the pictures are stored; leave it out for text only.
        send_request_stream: ask for streamed replies; some gateways give pictures only so.
        max_workers: most requests in flight. 64 keeps a laptop busy at 10 s a picture; a server that
            wants fewer says so, and gets fewer.
        timeout: seconds for one attempt, of which connecting may take 10 and silence 300.
        extra_body: fields sent at the top level as they are; they become part of every request's id.
        api_format: "chat" for `/chat/completions`, "images" for `/images/edits` and `/images/generations`.
        temperature: sampling temperature of a chat; None leaves it to the model.
        max_tokens: longest answer of a chat in tokens; None leaves it to the model.

    Raises:
        ConfigError: a setting that cannot be right. Address, key and model are checked by `prepare`.
    """

    def __init__(
        self,
        api_url: str | None = None,
        key_name_of_api_key: str = "DF_API_KEY",
        *,
        model_name: str = "",
        image_io: ImageIO | None = None,
        send_request_stream: bool = False,
        max_workers: int = 64,
        timeout: float = 600.0,
        extra_body: Mapping[str, JSON] | None = None,
        api_format: Literal["chat", "images"] = "chat",
        temperature: float | None = None,
        max_tokens: int | None = None,
    ) -> None:
        if api_format not in DIALECTS:
            raise ConfigError(f"api_format={api_format!r}: use one of {', '.join(DIALECTS)}")
        if max_workers < 1 or timeout <= 0:
            raise ConfigError(f"max_workers={max_workers} and timeout={timeout} must be positive")
        sampling: dict[str, JSON] = {"temperature": temperature, "max_tokens": max_tokens}
        super().__init__(
            ApiSettings(
                address=api_url,
                key_name=key_name_of_api_key,
                model=model_name,
                image_io=image_io,
                format=api_format,
                stream=send_request_stream,
                width=max_workers,
                timeout=timeout,
                sampling={name: value for name, value in sampling.items() if value is not None},
                extra_body=_plain(extra_body),
            )
        )


def _plain(extra_body: Mapping[str, JSON] | None) -> Mapping[str, JSON]:
    """A copy that later changes by the caller do not reach."""
    try:
        copy = orjson.loads(orjson.dumps(dict(extra_body or {})))
    except TypeError as error:
        raise ConfigError(f"extra_body must be plain JSON: {error}") from error
    assert isinstance(copy, dict)
    return copy
