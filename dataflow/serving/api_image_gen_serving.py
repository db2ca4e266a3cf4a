"""`APIImageGenServing`: the newer guide's name for a serving that draws and edits over an API."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Unpack

from dataflow.core.arguments import checked
from dataflow.io.image import ImageIO
from dataflow.serving.api_vlm_serving_openai import ApiOptions, APIVLMServing_openai
from dataflow.serving.backends import Task
from dataflow.serving.dialects import Format


class APIImageGenServing(APIVLMServing_openai):
    """Pictures over an API: `APIVLMServing_openai` under the newer guide's names, and for one task.

    Args:
        api_url: as there.
        image_io: where the pictures are stored.
        Image_gen_task: "imageedit" refuses requests without a picture, "text2image" those with one.
        batch_size: most requests in flight, as `max_workers` there.
        api_format: as there; "openai" is another name for "images".
        api_key: the key itself; it goes into a header and nowhere else. None or empty: read from the
            environment variable that `key_name_of_api_key` names.
        connect_timeout: seconds of `timeout` for connecting.
        options: as there: `model_name`, `key_name_of_api_key`, `send_request_stream`, `requests_per_minute`,
            `timeout`, `extra_body`, `dialect`, `provider`, `picture_hosts`, `batch`,
            `strict_model`.

    Raises:
        ConfigError: a setting that cannot be right. Address, key and model are checked by `prepare`.
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
