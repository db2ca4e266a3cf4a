"""What a user gives is held against the annotations before anything is spent, and named by the user's own names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, cast

import numpy as np
import pandas
import pytest

from dataflow.core.arguments import check_fields, checked
from dataflow.core.records import digest_fingerprint
from dataflow.errors import ConfigError
from dataflow.io import ImageIO
from dataflow.operators.core_text import EditInstructionGenerator, EditPromptGenerator, MultiImagePromptGenerator
from dataflow.operators.core_vision import PromptedImageEditGenerator, PromptedImageGenerator
from dataflow.serving.api.providers import Provider
from dataflow.serving.api_image_gen_serving import APIImageGenServing
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.local_image_gen_serving import LocalImageGenServing
from dataflow.serving.local_llm_serving import LocalLLMServing
from dataflow.serving.local_vlm_serving import LocalVLMServing
from dataflow.utils.storage import FileStorage
from tests.kit.loopback import LoopbackServer

# Without their types, since every call here is wrong.
API_IMAGE: Any = APIImageGenServing
EDIT: Any = PromptedImageEditGenerator
DRAW: Any = PromptedImageGenerator
WRITE: Any = EditPromptGenerator
SEVERAL: Any = MultiImagePromptGenerator
INSTRUCT: Any = EditInstructionGenerator
LLM: Any = LocalLLMServing
VLM: Any = LocalVLMServing
IMAGE_IO: Any = ImageIO
STORAGE: Any = FileStorage
PROVIDER: Any = Provider

GIVE_SERVING = r"give a serving, such as APIVLMServing_openai\(\.\.\.\)"


class More(TypedDict, total=False):
    size: tuple[int, int] | None
    names: Sequence[str]


class TypedKettle:
    @checked
    def __init__(self, litres: float = 1.0, *, cups: int | None = None, kind: Literal["a", "b"] = "a") -> None:
        self.litres, self.cups = litres, cups

    @checked
    def pour(self, into: str | Path, shares: Mapping[str, float] | None = None, **more: Unpack[More]) -> object:
        return more


@dataclass(frozen=True)
class TypedTea:
    name: str
    minutes: float = 3.0

    def __post_init__(self) -> None:
        check_fields(self)


Kettle: Any = TypedKettle
Tea: Any = TypedTea


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Kettle("2"), r"^TypedKettle: litres='2' is a text: give a number$"),
        (lambda: Kettle(None), r"^TypedKettle: litres=None: give a number$"),
        (lambda: Kettle(True), r"litres=True is True or False: give a number"),
        (lambda: Kettle(cups=2.5), r"cups=2\.5 is a number: give a whole number or None"),
        (lambda: Kettle(kind=3), r"kind=3 is a whole number: give 'a' or 'b'"),
        (lambda: Kettle(cupps=2), r"^TypedKettle has no parameter `cupps`: did you mean `cups`\?$"),
        (lambda: Kettle(x=2), "has no parameter `x`: there are cups, kind, litres"),
        (lambda: Kettle().pour(b"x"), r"^TypedKettle\.pour: into=b'x' is a bytes: give a text or a path"),
        (lambda: Kettle().pour("x", {"a": "1"}), r"shares\['a'\]='1' is a text: give a number"),
        (lambda: Kettle().pour("x", size=(1, "2")), r"size=\(1, '2'\) is a tuple: give \(a whole number, a whole"),
        (lambda: Kettle().pour("x", names="ab"), "names='ab' is a text: give a list, each a text"),
        (lambda: Kettle().pour("x", names=["a", 3]), r"names\[1\]=3 is a whole number: give a text"),
        (lambda: Kettle(pandas.DataFrame({"a": range(40)})), r"^TypedKettle: litres=[^\n]*… is a DataFrame: give a"),
        (lambda: Tea(3), "^TypedTea: name=3 is a whole number: give a text$"),
    ],
)  # fmt: skip
def test_another_kind_of_value_is_named_with_what_to_give(call: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()


def test_numbers_of_other_libraries_give_the_ids_of_pythons_own() -> None:
    steps, guidance = "diffuser_num_inference_steps", "diffuser_guidance_scale"
    drawn = {steps: 8, guidance: 3.5, "seed": 7}
    size = {"diffuser_image_width": 64, "diffuser_image_height": 32}
    numpys = {
        "diffuser_num_inference_steps": np.int64(8),
        "diffuser_guidance_scale": np.float32(3.5),
        "seed": np.uint8(7),
    }
    numpy_size = {name: np.int32(value) for name, value in size.items()}
    plain, other = local(**drawn, **size).settings.sampling(), local(**numpys, **numpy_size).settings.sampling()
    assert digest_fingerprint(other) == digest_fingerprint(plain)
    said = [api(temperature=kind(0.5), max_tokens=9).fingerprint() for kind in (float, np.float64, np.float32)]
    assert len({digest_fingerprint(each) for each in said}) == 1
    written = [LLM("m/n", max_new_tokens=kind(9), seed=kind(3)).settings.sampling() for kind in (int, np.int64)]
    assert len({digest_fingerprint(each) for each in written}) == 1
    assert Kettle().pour("x", size=(np.int64(1), 2)) == {"size": (1, 2)}


def test_what_fits_passes_numbers_and_columns_of_other_libraries_too() -> None:
    assert Kettle(np.float32(2), cups=np.int64(3)).cups == 3
    more = Kettle().pour(Path("x"), {"a": 1}, size=[1, 2], names=pandas.Series(["a", "b"]))
    assert set(more) == {"size", "names"}
    assert Tea("green", 2).minutes == 2


def api(**settings: Any) -> APIVLMServing_openai:
    return APIVLMServing_openai("http://127.0.0.1:9/v1", **{"model_name": "m", **settings})


def generate(**settings: Any) -> object:
    return api().generate("x", **settings)


def local(**settings: Any) -> LocalImageGenServing:
    return LocalImageGenServing(ImageIO("p"), hf_model_name_or_path="m/n", **settings)


def storage(**settings: Any) -> FileStorage:
    return FileStorage("rows.jsonl", **settings)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: api(image_io="folder"), r"image_io='folder' is a text: give ImageIO\(\.\.\.\) or None"),
        (lambda: api(model_name=None), "model_name=None: give a text"),
        (lambda: api(timeout="10"), "timeout='10' is a text: give a number"),
        (lambda: api(timeout=float("nan")), "must be positive"),
        (lambda: api(temperature=float("nan")), "temperature=nan must be a finite number"),
        (lambda: api(extra_body={"n": float("inf")}), "extra_body must be plain JSON: Out of range float values"),
        (lambda: api(extra_body={"n": np.int64(4)}), "extra_body must be plain JSON: Type is not JSON serializable"),
        (lambda: api(seed="7"), "has no parameter `seed`"),
        (lambda: generate(seed="7"), r"seed='7' is a text: give a whole number or None"),
        (lambda: generate(size="1024x1024"), r"size='1024x1024' is a text: give \(a whole number, a whole"),
        (lambda: local(diffuser_num_inference_steps="8"), "diffuser_num_inference_steps='8' is a text: give a whole"),
        (lambda: local(diffuser_num_inference_steps=8.0), "diffuser_num_inference_steps=8.0 is a number: give a whole"),
        (lambda: local(diffuser_num_inference_steps=True), "diffuser_num_inference_steps=True is True or False"),
        (lambda: local(diffuser_num_inference_steps=0), "diffuser_num_inference_steps=0 must be at least 1"),
        (lambda: local(diffuser_guidance_scale="3.5"), "diffuser_guidance_scale='3.5' is a text: give a number"),
        (lambda: local(diffuser_guidance_scale=float("nan")), "diffuser_guidance_scale=nan must be a finite number"),
        (lambda: local(lora=[("a/b", "0.8")]), r"lora\[0\]=\('a/b', '0\.8'\) is a tuple: give \(a text or"),
        (lambda: local(call_kwargs={"true_cfg_scale": " 4"}), r"call_kwargs\['true_cfg_scale'\]=' 4' is a text: .* 4$"),
        (lambda: PROVIDER(edit_pixels="1048576"), "^Provider: edit_pixels='1048576' is a text: give a whole number$"),
        (lambda: PROVIDER(most_inputs=True), "most_inputs=True is True or False: give a whole number or None"),
        (lambda: PROVIDER(hosts="a.example"), "hosts='a.example' is a text: give a list, each a text"),
        (lambda: api(max_workers="4"), "max_workers='4' is a text"),
        (lambda: api(extra_body="x"), "extra_body='x' is a text: give a dict"),
        (lambda: api(temperature="hot"), "temperature='hot' is a text: give a number"),
        (lambda: API_IMAGE(image_io=ImageIO("p"), timeout="1"), "^APIImageGenServing: timeout='1'"),
        (lambda: API_IMAGE(api_key=b"sk-hidden"), "api_key is a bytes: give a text or None$"),
        (lambda: local(batch_size="4"), "^LocalImageGenServing: batch_size='4' is a text: give a whole number"),
        (lambda: local(lora="x.safetensors"), r"give a list, each \(a text or a path, a number\)"),
        (lambda: local(lora=("x", 1.0)), r"lora\[0\]='x' is a text"),
        (lambda: local(diffuser_guidance_scale="x"), "diffuser_guidance_scale='x' is a text"),
        (lambda: local(steps=3), "has no parameter `steps`: there are"),
        (lambda: LLM("m/n", temperature="x"), "^LocalLLMServing: temperature='x'"),
        (lambda: VLM("m/n", max_new_tokens=None), "^LocalVLMServing: max_new_tokens=None"),
        (lambda: IMAGE_IO(None), "ImageIO: save_path=None: give a text"),
        (lambda: storage(limit="3"), "^FileStorage: limit='3' is a text: give a whole number or None"),
        (lambda: storage(limit=-1), "limit is -1: give a number of rows from 1"),
        (lambda: storage(cache_path=None), "cache_path=None: give a text or a path"),
        (lambda: storage(options={"limit": 3}), r"give RunOptions\(\.\.\.\) or None"),
        (lambda: STORAGE(["rows.jsonl"]), r"first_entry_file_name=\['rows.jsonl'\] is a list"),
        (lambda: EDIT("gemini"), f"image_edit_serving='gemini' is a text: {GIVE_SERVING}"),
        (lambda: EDIT(pipe=3), f"pipe=3 is a whole number: {GIVE_SERVING}"),
        (lambda: EDIT(api), f"image_edit_serving=<function api.*: {GIVE_SERVING}"),
        (
            lambda: DRAW(APIVLMServing_openai),
            r"t2i_serving is a class: give an object of it, APIVLMServing_openai\(\.\.\.\)",
        ),
        (lambda: WRITE("gpt-4o"), f"llm_serving='gpt-4o' is a text: {GIVE_SERVING}"),
        (lambda: WRITE(api(), n="5"), "n='5' is a text: give a whole number"),
        (lambda: SEVERAL(api(), languages="en"), "^MultiImagePromptGenerator: languages='en'"),
        (lambda: INSTRUCT({"model": "x"}), f"is a dict: {GIVE_SERVING}"),
        (lambda: EDIT(api(), save_interval="a"), "save_interval='a' is a text"),
        (lambda: EDIT(api(), save_interval=0), "save_interval is 0: give a number of answers"),
        (lambda: EDIT(api()).run("rows.jsonl"), r"or storage\.step\(\)"),
        (lambda: api().generate(cast("Any", None)), r"APIVLMServing_openai\.generate: prompt=None: give a text"),
    ],
)  # fmt: skip
def test_the_wrong_kind_of_setting_is_refused_where_it_is_given(call: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        call()
    assert "sk-hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("operator", "columns", "message"),
    [
        (PromptedImageEditGenerator, {"output_image_key": "images"}, "input_image_key and output_image_key both name"),
        (PromptedImageEditGenerator, {"output_image_key": "conversations"}, "both name `conversations`: give each a"),
        (PromptedImageEditGenerator, {"input_image_key": "conversations"}, "input_conversation_key"),
        (PromptedImageGenerator, {"output_image_key": "conversations"}, "both name `conversations`"),
        (EditInstructionGenerator, {"input_image_key": "x", "output_conversation_key": "x"}, "both name `x`"),
        (MultiImagePromptGenerator, {"output_text_key": "output_img_discript"}, "output_text_key"),
    ],
)
def test_a_step_never_writes_over_the_column_that_it_reads(
    tmp_path: Path, operator: Any, columns: dict[str, str], message: str
) -> None:
    (tmp_path / "rows.jsonl").write_text('{"images": "a.png", "conversations": "x"}\n')
    step = FileStorage(tmp_path / "rows.jsonl", tmp_path / "cache").step()
    with LoopbackServer() as server:
        serving = APIVLMServing_openai(server.url, model_name="m", image_io=ImageIO(str(tmp_path / "p")))
        with pytest.raises(ConfigError, match=message):
            operator(serving).run(step, **columns)
        assert server.requests == 0
    assert not (tmp_path / "cache").exists()
