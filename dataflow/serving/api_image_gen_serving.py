"""`APIImageGenServing`: the serving that draws or edits pictures over an API."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Unpack

from dataflow.core.arguments import checked
from dataflow.io.image import ImageIO
from dataflow.serving.api_vlm_serving_openai import ApiOptions, APIVLMServing_openai
from dataflow.serving.backends import Task
from dataflow.serving.dialects import Format


class APIImageGenServing(APIVLMServing_openai):
    """Draws or edits pictures over an API: `APIVLMServing_openai` for one task, with the key as a parameter.

    What it costs, and what a request's id holds, is as for `APIVLMServing_openai`.

    Args:
        api_url: as in `APIVLMServing_openai`.
        image_io: the store for pictures; without one, a request for a picture fails before anything is sent.
        Image_gen_task: "text2image" refuses requests with an input picture, "imageedit" those without one.
        batch_size: the most requests in flight, as `max_workers` in `APIVLMServing_openai`.
        api_format: as in `APIVLMServing_openai`; "openai" is another name for "images".
        api_key: the key itself, which goes into a header and nowhere else. None or empty: the environment variable that
            `key_name_of_api_key` names.
        connect_timeout: seconds of `timeout` that connecting may take.
        options: `model_name`, `key_name_of_api_key`, `send_request_stream`, `requests_per_minute`, `timeout`,
            `extra_body`, `dialect`, `provider`, `picture_hosts`, `batch` and `strict_model`, all as in
            `APIVLMServing_openai`.

    Raises:
        ConfigError: a setting that cannot be right. `prepare` checks address, key and model, at the start of a step.
    """

    @checked
    def __init__(
        self,
        api_url: str | Sequence[str] | None = None,
        image_io: ImageIO | None = None,
        *,
        Image_gen_task: Task = "text2image",  # noqa: N803 - the guide's name
        batch_size: int | None = None,
        api_format: Format | Literal["openai"] | None = None,
        api_key: str | None = None,
        connect_timeout: float = 10.0,
        **options: Unpack[ApiOptions],
    ) -> None:
        named: Format | None = "images" if api_format == "openai" else api_format
        super().__init__(api_url, image_io=image_io, max_workers=batch_size, api_format=named, **options)
        given = (api_key or "").strip()
        self.settings = replace(self.settings, task=Image_gen_task, key=given, connect_timeout=connect_timeout)
        self.makes = "image"
