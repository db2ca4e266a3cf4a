"""Servers that take, ignore and refuse fields exactly as inference engines do; none of them loads a model.

Read from the wheels vllm-omni 0.30.0 (`entrypoints/openai/api_server.py`, `images/helpers.py`) and sglang 0.5.23
(`multimodal_gen/runtime/entrypoints/openai/`), and from Dynamo's frontend. What an engine would have drawn with stands
in `drawn`.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web
from PIL import Image

from tests.kit import shapes
from tests.kit.drawing import draw, mark_of
from tests.kit.loopback import Act, Asked, LoopbackServer

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The settings with which one picture was drawn.

    Args:
        size: in pixels; of a chat without one None.
        cfg: the scale of classifier-free guidance; 0: there is none.
        seed: None: by chance.
        inputs: pictures that reached the model.
        mask: the mask that reached the model.
        kind: of the file that is sent.
        words: the engine wrote words instead.
    """

    size: Size | None
    cfg: float = 0.0
    seed: int | None = None
    inputs: int = 0
    mask: bytes = b""
    kind: str = "png"
    words: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A request for a picture as an engine reads it."""

    fields: Mapping[str, Any]
    files: Mapping[str, tuple[bytes, ...]]
    inputs: tuple[bytes, ...]

    def number(self, name: str) -> float | None:
        return float(self.fields[name]) if self.fields.get(name) not in (None, "") else None

    def whole(self, name: str) -> int | None:
        number = self.number(name)
        return None if number is None else int(number)

    @property
    def size(self) -> Size | None:
        width, _, height = str(self.fields.get("size") or "auto").partition("x")
        return (int(width), int(height)) if height else None


def refusal(status: int, detail: Any) -> Act:
    return Act(status, {"detail": detail})


NO_INPUT = refusal(422, "Field 'image' or 'url' is required")
MISSING_IMAGE = refusal(422, [{"type": "missing", "loc": ["body", "image"], "msg": "Field required"}])
NOT_FOUND = refusal(404, "Not Found")


def vllm_omni(engine: "EngineServer", asked: Asked) -> Act | Drawn:
    """Draws at the size of the first input; without a negative prompt there is no guidance."""
    form = form_of(asked, "image", "image[]")
    if asked.path == "/v1/chat/completions":
        wanted = form.fields.get("modalities") or ["image"]
        cfg = guidance(form) if "text" not in wanted else 0.0
        size = form.size
        return Drawn(size, cfg, form.whole("seed"), len(form.inputs), words="text" in wanted and engine.writes)
    if (model := form.fields.get("model")) not in (None, engine.model):
        return refusal(400, f"Model mismatch: request specifies '{model}' but server is running '{engine.model}'.")
    if form.fields.get("response_format", "b64_json") != "b64_json":
        return refusal(400, "Only response_format 'b64_json' is supported now.")
    if form.fields.get("stream") in (True, "true"):
        return refusal(400, "stream=true is only supported for multi-stage image editing pipelines.")
    edits = asked.path == "/v1/images/edits"
    if edits and not form.inputs:
        return NO_INPUT
    if edits and engine.most_inputs == 1 < len(form.inputs):
        return refusal(400, "Received multiple input images. Only a single image is supported by this model.")
    if edits and len(form.inputs) > engine.most_inputs:
        most = f"At most {engine.most_inputs} images are supported by this model."
        return refusal(400, f"Received {len(form.inputs)} input images. {most}")
    size = form.size or (size_of(form.inputs[0]) if edits else (1024, 1024))
    mask = b"".join(form.files.get("mask_image", ())) if "klein" in engine.model else b""
    kind = {"jpg": "jpeg"}.get(form.fields.get("output_format", "png"), form.fields.get("output_format", "png"))
    return Drawn(size, guidance(form), form.whole("seed"), len(form.inputs), mask, kind)


def guidance(form: Form) -> float:
    """An empty negative prompt of a form counts as none; a blank does not."""
    return (form.number("true_cfg_scale") or 4.0) if form.fields.get("negative_prompt") else 0.0


def sglang(engine: "EngineServer", asked: Asked) -> Act | Drawn:
    """Never looks at the model's name, has defaults for all else, and sends JPEG unless told otherwise."""
    form = form_of(asked, "image", "image[]")
    if not asked.path.startswith("/v1/images/"):
        return NOT_FOUND
    edits = asked.path == "/v1/images/edits"
    if edits and "mask" in form.fields:
        return refusal(422, [{"type": "value_error", "loc": ["body", "mask"], "msg": "Expected UploadFile"}])
    if edits and not form.inputs:
        return NO_INPUT
    if form.fields.get("response_format", "b64_json" if edits else "url") != "b64_json":
        return refusal(400, "response_format='url' requires cloud storage to be configured.")
    size = form.size or (megapixel(size_of(form.inputs[0]), 32) if edits else (1024, 1024))
    cfg = form.number("true_cfg_scale") or form.number("guidance_scale") or 4.0
    kind = form.fields.get("output_format") or "jpeg"
    seed = form.whole("seed")
    return Drawn(size, cfg, 42 if seed is None else seed, len(form.inputs), kind="jpeg" if kind == "jpg" else kind)


_DYNAMO = frozenset(("prompt", "model", "n", "size", "response_format", "output_format", "user", "nvext"))


def dynamo(engine: "EngineServer", asked: Asked) -> Act | Drawn:
    """Refuses every field that is not OpenAI's; what engines take beside them goes into `nvext`."""
    if not asked.path.startswith("/v1/images/"):
        return NOT_FOUND
    names = set(asked.image_fields) & {"image", "image[]"}
    form = form_of(asked, *names)
    if unknown := sorted({*form.fields, *form.files} - _DYNAMO - {"image", "image[]"}):
        message = f"Unsupported field `{unknown[0]}`: engine options belong into `nvext`."
        return Act(400, {"message": message, "type": "Bad Request", "code": 400})
    if len(names) > 1:
        return Act(400, {"message": "Mixed `image` and `image[]`.", "type": "Bad Request", "code": 400})
    nested = form.fields.get("nvext") or "{}"
    more = Form(nested if isinstance(nested, dict) else orjson.loads(nested), {}, ())
    size = form.size or (1024, 1024)
    cfg = (more.number("guidance_scale") or 4.0) if more.fields.get("negative_prompt") else 0.0
    return Drawn(size, cfg, more.whole("seed"), len(form.inputs), kind=form.fields.get("output_format") or "png")


def plain(engine: "EngineServer", asked: Asked) -> Act | Drawn:
    """A gateway in front of an engine: it knows the field `image` alone, and hands all other fields on."""
    form = form_of(asked, "image")
    if asked.path == "/v1/images/edits" and not form.inputs:
        return MISSING_IMAGE
    return Drawn(form.size or (64, 48), 0.0, form.whole("seed"), len(form.inputs))


_BOTH = (
    "prompt model n size response_format output_format output_compression user seed generator_device negative_prompt"
    " num_inference_steps guidance_scale true_cfg_scale"
)
_FILES = "image image[] url url[] background"
_OMNI = (
    f"{_FILES} stream mask_image reference_image guidance_scale_2 strength lora layers resolution bot_task sys_type"
    " system_prompt return_stage_metrics"
)
_SGL = (
    f"{_FILES} mask task_type enhance_prompt quality output_quality enable_teacache enable_cache_dit cache_dit_params"
    " enable_upscaling upscaling_model_path upscaling_scale perf_dump_path profile num_profiled_timesteps"
    " profile_all_stages num_frames"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One engine: its rules, and its description of itself.

    Args:
        answers: to a request.
        title: of its description; empty: it has none.
        owner: in its list of models; empty: it has none.
        edits: fields of the form of an edit, as its description names them; None: it names none.
        chats: it has `/chat/completions` too.
    """

    answers: Callable[["EngineServer", Asked], Act | Drawn]
    title: str = ""
    owner: str = ""
    edits: str | None = None
    chats: bool = False


GATEWAY = Kind(plain, "LiteLLM API", "openai", f"{_BOTH} image", chats=True)
IMAGES_ONLY = Kind(plain, "FastAPI", "somebody", "prompt size image")
VLLM_OMNI = Kind(vllm_omni, "FastAPI", "vllm", f"{_BOTH} {_OMNI}", chats=True)
SGLANG = Kind(sglang, "FastAPI", "sglang", f"{_BOTH} {_SGL}")
DYNAMO = Kind(dynamo, "NVIDIA Dynamo OpenAI Frontend", "nvidia")
PLAIN = Kind(plain)


class EngineServer(LoopbackServer):
    """An engine that draws.

    Args:
        kind: which.
        model: that it serves.
        most_inputs: pictures that its model takes.
        writes: its model writes words too, as BAGEL does.
        scale: pictures are drawn this many times smaller than asked, since nobody looks at them.
        seconds: that a picture takes, one at a time; what waits is refused never, and drawn though nobody waits for it.

    Attributes:
        drawn: what each picture was drawn with.
    """

    def __init__(
        self,
        kind: Kind,
        model: str = "Qwen/Qwen-Image-Edit-2511",
        *,
        most_inputs: int = 4,
        writes: bool = False,
        scale: int = 16,
        seconds: float = 0.0,
        port: int = 0,
    ) -> None:
        super().__init__(port=port, latency=seconds, at_once=1 if seconds else 100_000)
        self.engine, self.model, self.most_inputs, self.writes, self.scale = kind, model, most_inputs, writes, scale
        self.drawn: list[Drawn] = []

    def _get(self, path: str) -> web.Response:
        if path == "/v1/models" and self.engine.owner:
            card = {"id": self.model, "object": "model", "owned_by": self.engine.owner, "root": self.model}
            return _json({"object": "list", "data": [card]})
        if path == "/openapi.json" and self.engine.title:
            return _json(description(self.engine))
        if path in ("/v1/images/edits", "/v1/images/generations") and self.engine.edits is not None:
            return web.Response(status=405, text='{"detail":"Method Not Allowed"}', content_type="application/json")
        return super()._get(path)

    def _act(self, asked: Asked) -> Act:
        if self.acts or self.act_for:
            return super()._act(asked)
        made = self.engine.answers(self, asked)
        if isinstance(made, Act):
            return made
        self.drawn.append(made)
        return Act(body=self._answer(asked, made))

    def _answer(self, asked: Asked, made: Drawn) -> bytes:
        width, height = made.size or (512, 512)
        small = max(8, width // self.scale), max(2, height // self.scale)
        picture = draw(made.kind, mark_of(asked.prompt, asked.images), *small)
        shape = "images" if asked.path == "/v1/chat/completions" else "b64_json"
        return shapes.whole(shape, [] if made.words else [picture], "Here you are.")


def form_of(asked: Asked, *names: str) -> Form:
    """A request's fields and files; `names` are those of the input pictures, the first of them that is there."""
    files: dict[str, tuple[bytes, ...]] = {}
    for name, data in zip(asked.image_fields, asked.images, strict=False):
        files[name] = (*files.get(name, ()), data)
    inputs = next((files[name] for name in names if name in files), ())
    return Form(asked.body, files, inputs if asked.image_fields else asked.images)


def size_of(picture: bytes) -> Size:
    with Image.open(io.BytesIO(picture)) as image:
        return image.size


def megapixel(size: Size, grid: int) -> Size:
    """A size of about a megapixel with an aspect, on a grid of pixels."""
    scale = (1024 * 1024 / (size[0] * size[1])) ** 0.5
    width, height = (round(side * scale / grid) * grid for side in size)
    return width, height


def description(kind: Kind) -> dict[str, Any]:
    """The engine's `/openapi.json` as FastAPI writes it, or as Dynamo does, which names no fields."""
    paths: dict[str, Any] = {"/v1/models": {"get": {}}}
    for name in ("edits", "generations"):
        post: dict[str, Any] = {"requestBody": {"required": True}}
        if kind.edits is not None:
            schema = {"$ref": f"#/components/schemas/Body_{name}"}
            media = "multipart/form-data" if name == "edits" else "application/json"
            post = {"requestBody": {"content": {media: {"schema": schema}}, "required": True}}
        paths[f"/v1/images/{name}"] = {"post": post}
    if kind.chats:
        paths["/v1/chat/completions"] = {"post": {}}
    both = {"edits": kind.edits or "", "generations": _BOTH}
    schemas: dict[str, Any] = {
        f"Body_{name}": {"properties": {each: {} for each in names.split()}} for name, names in both.items()
    }
    return {"info": {"title": kind.title}, "paths": paths, "components": {"schemas": schemas}}


def _json(body: object) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")


def words(asked: Asked, text: str) -> Act:
    return Act(body=shapes.whole("images", [], text))


def jpeg(asked: Asked) -> Act:
    return Act(body=shapes.whole("b64_json", [draw("jpeg", mark_of(asked.prompt))]))
