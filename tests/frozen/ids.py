"""What is in a request's id: one worker after the other with every setting that is, and with those that are not.

`python -m tests.frozen.ids` writes `ids.json` anew. It is what the code before it said, so it only grows.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dataflow.core.records import JSON, Request, Turn, digest_fingerprint, digest_request, salt_twin
from dataflow.core.worker import Worker
from dataflow.demo.packaged import MODEL
from dataflow.demo.writer import DemoWriter
from dataflow.io import ImageIO
from dataflow.scripts.servings import make_serving
from dataflow.serving.api_image_gen_serving import APIImageGenServing
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.local.pictures.presets import Speedups, StepCache
from dataflow.serving.local_image_gen_serving import LocalImageGenServing
from dataflow.serving.local_llm_serving import LocalLLMServing
from dataflow.serving.local_vlm_serving import LocalVLMServing
from dataflow.serving.template_writer import TemplateWriter
from tests.frozen.caches import CACHES, ELSEWHERE

TABLE = Path(__file__).with_name("ids.json")
URL = "http://127.0.0.1:9/v1"
COMMIT = "c0ffee" * 6 + "c0ff"
SCHEMA = '{"type":"object"}'


class Configuration:
    """As a quantisation's, which stands in a fingerprint by its content."""

    __module__ = "library"

    def to_dict(self) -> dict[str, object]:
        return {"bits": 4, "skip": ("a", "b"), "modules": {"proj_out"}}


# Named by what differs from the first of its kind. What begins with "same" is not in the id.
VLM: dict[str, dict[str, Any]] = {
    "plain": {},
    "temperature": {"temperature": 0.5},
    "temperature as int": {"temperature": 1},
    "max_tokens": {"max_tokens": 100},
    "extra_body": {"extra_body": {"z": [1, 2.5, None], "a": {"图": True}}},
    "all": {"temperature": 0.0, "max_tokens": 1, "extra_body": {"seed": 3}},
    "same: address and key": {"api_url": "https://example.org", "key_name_of_api_key": "OTHER"},
    "same: how it is sent": {"send_request_stream": True, "timeout": 5.0, "api_format": "gemini", "batch": True},
    "same: how fast": {"max_workers": 3, "requests_per_minute": 7.0},
    "same: pictures and schema": {"image_io": ImageIO("elsewhere"), "send_json_schema": True},
}
IMAGE_GEN: dict[str, dict[str, Any]] = {
    "plain": {},
    "extra_body": {"extra_body": {"quality": "low"}},
    "same: task": {"Image_gen_task": "imageedit"},
    "same: the rest": {"batch_size": 3, "api_format": "openai", "api_key": "key", "connect_timeout": 1.0},
}
LOCAL: dict[str, dict[str, Any]] = {
    "plain": {},
    "task": {"Image_gen_task": "imageedit"},
    "steps": {"diffuser_num_inference_steps": 7},
    "guidance": {"diffuser_guidance_scale": 3},
    "size": {"diffuser_image_width": 640, "diffuser_image_height": 480},
    "seed": {"seed": 0},
    "dtype": {"dtype": "torch.float16"},
    "pipe_kwargs": {"pipe_kwargs": {"variant": "fp16", "quantization_config": Configuration()}},
    "call_kwargs": {"call_kwargs": {"max_sequence_length": 64, "sigmas": [1.0, 0.5], "negative_prompt": "模糊"}},
    "lora": {"lora": [("lora/a.safetensors", 1), ("lora", 0.5), ("owner/lora", 0.25)]},
    "fast on a CPU": {"preset": "fast", "device": "cpu"},
    "turbo on a CPU": {"preset": "turbo", "device": "cpu"},
    "same: where": {"device": ["cpu"], "batch_size": 3, "diffuser_num_images_per_prompt": 2},
    "same: family": {"diffuser_model_name": "FLUX-Kontext"},
    "on the hub": {"hf_model_name_or_path": "owner/painter", "hf_local_dir": "hub"},
    "on the hub at a revision": {
        "hf_model_name_or_path": "owner/painter",
        "hf_local_dir": "hub",
        "revision": "v2",
    },
}
TEXTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "max_new_tokens": {"max_new_tokens": 12},
    "temperature": {"temperature": 0},
    "top_p": {"top_p": 1},
    "seed": {"seed": 0},
    "dtype": {"dtype": "float32"},
    "chat_template": {"chat_template": "{{ messages }}"},
    "template_arguments": {"template_arguments": {"enable_thinking": False}},
    "model_kwargs": {"model_kwargs": {"attn_implementation": "eager"}},
    "same: where": {"device": "cpu", "batch_size": 3},
    "on the hub": {"hf_model_name_or_path": "owner/writer", "hf_local_dir": "hub"},
}
REQUESTS: dict[str, Request] = {
    "plain": Request("Make it red."),
    "words": Request("把狗换成猫。\u2028\n \U0001f408 \"'"),
    "one picture": Request("Make it red.", ("/a.png",)),
    "two pictures": Request("Make it red.", ("/a.png", "/b.png")),
    "two pictures, the other way round": Request("Make it red.", ("/b.png", "/a.png")),
    "text": Request("Make it red.", makes="text"),
    "size": Request("Make it red.", size=(640, 480)),
    "seed": Request("Make it red.", seed=0),
    "repeat": Request("Make it red.", repeat=3),
    "schema": Request("Make it red.", makes="text", schema=SCHEMA),
    "same: worker": Request("Make it red.", worker="editor"),
    "turns": Request(
        "Better.",
        turns=(Turn("system", "Be kind."), Turn("user", "Hi.", ("/a.png",)), Turn("assistant", "", ("/b.png",))),
    ),
    "all": Request("p", ("/a.png",), "text", (Turn("user", "u", ("/b.png",)),), (16, 32), 2**31, 2, "judge", SCHEMA),
}
IMAGES = {"/a.png": "aa" * 32, "/b.png": "bb" * 32}
LEVERS = {
    "exact": Speedups(),
    "exact, rounding": Speedups(attention="_native_cudnn", compiled=True),
    "fast": Speedups("fast", fp8=True, attention="_native_cudnn", compiled=True),
    "turbo": Speedups("turbo", fp8=True, cache=StepCache()),
}


def lay_out(here: Path) -> None:
    """What the local workers name, in the working directory."""
    for name in ("lora/a.safetensors", "lora/sub/b.safetensors"):
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"GGUF" + name.encode())
    for name in ("owner/painter", "owner/painter@v2", "owner/writer"):
        (here / "hub" / name).mkdir(parents=True)
        if name != "owner/writer":
            (here / "hub" / name / "model_index.json").write_text('{"_class_name": "FluxKontextPipeline"}')
        (here / "hub" / name / ".dataflow-revision").write_text(COMMIT[::-1] if "@" in name else COMMIT)


def workers() -> dict[str, Worker]:
    """Every worker, by kind and setting; no path of theirs matters."""
    images = ImageIO("images")
    texts = CACHES / "local_texts"

    def made(make: Callable[..., Worker], base: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Worker]:
        return {name: make(**{**base, **settings}) for name, settings in table.items()}

    local = {"image_io": images, "hf_model_name_or_path": MODEL, "device": ELSEWHERE}
    kinds: dict[str, dict[str, Worker]] = {
        "APIVLMServing_openai": made(APIVLMServing_openai, {"api_url": URL, "model_name": "frozen"}, VLM),
        "APIImageGenServing": made(
            APIImageGenServing, {"api_url": URL, "model_name": "frozen", "image_io": images}, IMAGE_GEN
        ),
        "LocalImageGenServing": made(LocalImageGenServing, local, LOCAL),
        "LocalLLMServing": made(LocalLLMServing, {"hf_model_name_or_path": texts / "writer"}, TEXTS),
        "LocalVLMServing": made(LocalVLMServing, {"hf_model_name_or_path": texts / "seer"}, TEXTS),
        "writers": {"TemplateWriter": TemplateWriter(), "DemoWriter": DemoWriter()},
        "demo": {
            "draws": make_serving("demo", "text2image", "images"),
            "edits": make_serving("demo", "imageedit", "images"),
        },
    }
    return {f"{kind}: {name}": worker for kind, table in kinds.items() for name, worker in table.items()}


def table() -> dict[str, JSON]:
    """All of it, computed now; the working directory is laid out."""
    prints: dict[str, Any] = {name: dict(worker.fingerprint()) for name, worker in workers().items()}
    key = digest_fingerprint(prints["APIVLMServing_openai: plain"])
    digests = {name: digest_request(request, key, IMAGES) for name, request in REQUESTS.items()}
    return {
        "fingerprints": prints,
        "prints": {name: digest_fingerprint(each).hex() for name, each in prints.items()},
        "ids": {name: salt_twin(digest, 0) for name, digest in digests.items()},
        "ids of the second twin": {name: salt_twin(digest, 1) for name, digest in digests.items()},
        "levers": {name: speedups.identity() for name, speedups in LEVERS.items()},
    }


if __name__ == "__main__":
    import os

    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        os.chdir(folder)
        lay_out(Path(folder))
        TABLE.write_text(json.dumps(table(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
