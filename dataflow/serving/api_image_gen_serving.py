"""`APIImageGenServing`: the newer guide's name for a serving that draws and edits over an API."""

from collections.abc import Mapping, Sequence
from typing import Literal

from dataflow.core.records import JSON
from dataflow.io.image import ImageIO
from dataflow.serving.api.serving import ApiServing
from dataflow.serving.api.settings import KEY_VARIABLE, ApiSettings
from dataflow.serving.backends import Task
from dataflow.serving.dialects import Format


class APIImageGenServing(ApiServing):
    """Pictures over an API, in whichever format its address speaks.

    Args:
        api_url: the address, with or without `/v1` or `/v1beta`; None: read from `DF_BASE_URL`. Several, in a list or
            with commas between them, share the requests: replicas that serve the same model.
        image_io: where the pictures are stored.
        Image_gen_task: "imageedit" refuses requests without a picture, "text2image" those with one.
        batch_size: most requests in flight; None: begin with 16 and find out how many the server takes, up
            to 256. A number is also what it begins with, up to 64. Of several addresses: in flight at each, at
            most 16 unless told otherwise. Engines of one's own network begin with 4 each, and get no more than
            they answer within a third of `timeout`, unless told otherwise.
        requests_per_minute: most requests that start in a minute; None: as many as the server is found to take.
        api_format: "chat", "images" (also called "openai"), "responses" or "gemini"; None: the address
            and the model's name decide.
        model_name: the model's name at the provider.
        api_key: the key itself; it goes into a header and nowhere else. None or empty: read from the
            environment variable that `key_name_of_api_key` names.
        key_name_of_api_key: the environment variable that holds the key otherwise.
        send_request_stream: ask for streamed replies.
        timeout: seconds for one attempt.
        connect_timeout: seconds of them for connecting.
        extra_body: fields sent at the top level as they are; they become part of every request's id.
        batch: let requests go into batch files, which the provider works off within a day at half the price.

    Raises:
        ConfigError: a setting that cannot be right. Address, key and model are checked by `prepare`.
    """

    def __init__(
        self,
        api_url: str | Sequence[str] | None = None,
        image_io: ImageIO | None = None,
        *,
        Image_gen_task: Task = "text2image",  # noqa: N803 - the guide's name
        batch_size: int | None = None,
        requests_per_minute: float | None = None,
        api_format: Format | Literal["openai"] | None = None,
        model_name: str = "",
        api_key: str | None = None,
        key_name_of_api_key: str = KEY_VARIABLE,
        send_request_stream: bool = False,
        timeout: float = 600.0,
        connect_timeout: float = 10.0,
        extra_body: Mapping[str, JSON] | None = None,
        batch: bool = False,
    ) -> None:
        super().__init__(
            ApiSettings(
                address=api_url,
                key_name=key_name_of_api_key,
                key=(api_key or "").strip(),
                model=model_name,
                image_io=image_io,
                task=Image_gen_task,
                dialect="images" if api_format == "openai" else api_format,
                stream=send_request_stream,
                width=batch_size,
                requests_per_minute=requests_per_minute,
                timeout=timeout,
                connect_timeout=connect_timeout,
                extra_body=extra_body or {},
                batch=batch,
            )
        )
        self.makes = "image"
