"""What was run to make each cache, and is run again over it: real servings, in the working directory.

Rows and pictures lie beside the cache, in `tests/frozen/caches/{name}`. Models are named here and nowhere else, so
that no default matters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.core import OperatorABC
from dataflow.core.records import Request, Row, Turn
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Worker
from dataflow.demo.packaged import MODEL
from dataflow.demo.prompts import DemoPromptGenerator
from dataflow.flow.recipe import Steps
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_text import (
    EditInstructionGenerator,
    EditPromptGenerator,
    MultiImagePromptGenerator,
)
from dataflow.operators.core_vision import PromptedImageEditGenerator, PromptedImageGenerator
from dataflow.serving.api.batches.contract import Intervals
from dataflow.serving.api_image_gen_serving import APIImageGenServing
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.backends import Task
from dataflow.serving.dialects import Format
from dataflow.serving.local_image_gen_serving import LocalImageGenServing
from dataflow.serving.local_llm_serving import LocalLLMServing
from dataflow.serving.local_vlm_serving import LocalVLMServing
from dataflow.serving.template_writer import TemplateWriter
from dataflow.taxonomy.taxonomy import read_taxonomy
from dataflow.utils.storage import FileStorage, Step
from tests.frozen import servers
from tests.kit.flow import Ask
from tests.kit.loopback import LoopbackServer

HOME = Path(__file__).parent
CACHES = HOME / "caches"
PRICES = {"frozen-painter": {"input": 1.5, "output": 30.0, "most_input": 4096, "most_output": 4096}}
QUICK = Intervals(gather=0.05, gather_most=5.0, poll=0.02, listing=0.3, resubmit=0.05, report=5.0, give_up=5.0)
CPU = "cpu"
ELSEWHERE = "cuda:77"  # a device that is nowhere: whoever loads a model there fails


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cache is run.

    Args:
        url: of the server.
        device: of local models.
    """

    url: str
    device: str = ELSEWHERE


@dataclass(frozen=True, slots=True)
class Cache:
    """How a cache came about.

    Args:
        run: runs its steps in the working directory.
        server: that answered; None where no server did.
    """

    run: Callable[[Place], Sequence[Summary]]
    server: Callable[[], LoopbackServer] | None = servers.drawing


def painter(place: Place, folder: str | Path = "cache/images", **settings: Any) -> APIVLMServing_openai:
    return _patient(
        APIVLMServing_openai(
            place.url, model_name="frozen-painter", image_io=ImageIO(str(folder)), max_workers=1, **settings
        )
    )


def writer(place: Place, **settings: Any) -> APIVLMServing_openai:
    return _patient(APIVLMServing_openai(place.url, model_name="frozen-writer", max_workers=1, **settings))


def _patient(serving: APIVLMServing_openai) -> APIVLMServing_openai:
    serving.retry = RetryPolicy(retries=8, base=0.01)
    return serving


def edit(place: Place) -> list[Summary]:
    """Several inputs, twins, refusals, retries, rows that cannot be asked, money."""
    storage = FileStorage("rows.jsonl", "cache", prices=PRICES)
    return [PromptedImageEditGenerator(painter(place)).run(storage.step())]


def edit_absolute(place: Place) -> list[Summary]:
    """Every path absolute, the edits outside the cache; two steps."""
    here = Path.cwd()
    storage = FileStorage(here / "rows.jsonl", here / "cache")
    draw = PromptedImageGenerator(_drawer(place, here / "cache" / "drawings"))
    return [draw.run(storage.step()), edit_drawn(place, storage.step(), here / "edits")]


def _drawer(place: Place, folder: Path | str = "cache/drawings") -> APIImageGenServing:
    return APIImageGenServing(
        place.url,
        ImageIO(str(folder)),
        batch_size=1,
        api_format="openai",
        model_name="frozen-drawer",
        extra_body={"quality": "low", "n": 1},
    )


def edit_drawn(place: Place, step: Step, folder: Path | str = "cache/edits") -> Summary:
    return PromptedImageEditGenerator(painter(place, folder), repeat_times=2).run(
        step, input_image_key="images", input_conversation_key="instruction", output_image_key="edited"
    )


def draw_and_edit(cache_type: str) -> Callable[[Place], list[Summary]]:
    """Two steps in files of another kind."""

    def run(place: Place) -> list[Summary]:
        storage = FileStorage(f"rows.{cache_type}", "cache", "of_another_kind", cache_type)
        draw = PromptedImageGenerator(_drawer(place), repeat_times=2)
        return [draw.run(storage.step()), edit_drawn(place, storage.step())]

    return run


def two_prefixes(place: Place) -> list[Summary]:
    """Two pipelines in one folder: the second asks for some of what the first has."""
    storages = [FileStorage(f"{name}.jsonl", "cache", name) for name in ("first", "second")]
    return [PromptedImageEditGenerator(painter(place)).run(storage.step()) for storage in storages]


class Judged(GeneratorOperator):
    """An editor and a judge in turn: several waves, a conversation with pictures, seeds, a schema."""

    schema = '{"type":"object","properties":{"score":{"type":"integer"}},"required":["score"]}'

    def __init__(self, editor: Worker, judge: Worker) -> None:
        super().__init__({"editor": editor, "judge": judge})

    def run(self, step: Step) -> Summary:
        return self.execute(step, inputs=("images", "conversations"), outputs="edited")

    def steps(self, row: Row, columns: Columns) -> Steps:
        images, asked = tuple(row["images"]), row["conversations"]
        request = Request(asked, images, seed=row["seed"], worker="editor")
        for attempt in range(2):
            (answer,) = yield [request]
            made = answer.raise_for_error().pictures[0].path
            system = Turn("system", "You judge pictures.")
            shown = Turn("user", "This was made.", (made, *images))
            ask = Request(f"judge: {request.prompt}", (), "text", (system, shown), worker="judge", schema=self.schema)
            verdicts = yield [ask, Request("judge again", images, "text", repeat=attempt, worker="judge")]
            if "9" in verdicts[0].text:
                both = [verdict.text for verdict in verdicts]
                return [{**row, "edited": [made], "said": said, "attempts": attempt + 1} for said in both]
            turns = (Turn("user", asked, images), Turn("assistant", "", (made,)))
            request = Request(f"Better: {asked}", turns=turns, seed=row["seed"], worker="editor")
        return []


class ByHand(OperatorABC):
    """Reads a DataFrame and writes one."""

    def run(self, storage: FileStorage) -> None:
        frame = storage.read("dataframe")
        frame["length"] = frame["conversations"].str.len()
        storage.write(frame.drop_duplicates("conversations"))


def judged(place: Place) -> list[Summary]:
    """Waves that depend on answers, then a step written by hand."""
    storage = FileStorage("rows.jsonl", "cache")
    judge = writer(place, temperature=0, max_tokens=50, extra_body={"top_k": 1}, send_json_schema=True)
    summary = Judged(painter(place), judge).run(storage.step())
    storage.step()
    ByHand().run(storage)
    return [summary]


def prompts(place: Place) -> list[Summary]:
    """Rows out of a taxonomy: some put right, some refused and given up, some rejected."""
    generator = EditPromptGenerator(writer(place), read_taxonomy(HOME / "taxonomy.yaml"), n=8, seed=3, tries=2)
    return [generator.run(FileStorage(cache_path="cache").step())]


def instructions(place: Place) -> list[Summary]:
    """Instructions for pictures, two for each."""
    generator = EditInstructionGenerator(
        writer(place), read_taxonomy(HOME / "taxonomy.yaml"), languages=("en",), per_image=2, seed=3
    )
    return [generator.run(FileStorage("rows.jsonl", "cache").step())]


def several(place: Place) -> list[Summary]:
    """From templates over drawings to one picture of several."""
    storage = FileStorage(cache_path="cache")
    written = MultiImagePromptGenerator(TemplateWriter(), read_taxonomy(HOME / "taxonomy.yaml"), n=3, seed=3)
    drawn = PromptedImageGenerator(_drawer(place))
    edited = PromptedImageEditGenerator(painter(place, "cache/edits"))
    return [
        written.run(storage.step()),
        drawn.run(storage.step(), input_conversation_key="input_text", output_image_key="input_image"),
        edited.run(
            storage.step(),
            input_image_key="input_image",
            input_conversation_key="output_img_discript",
            output_image_key="output_image",
        ),
    ]


def demo(place: Place) -> list[Summary]:
    """The packaged model, from nothing to edited pictures."""

    def local(task: Task, folder: str) -> LocalImageGenServing:
        return LocalImageGenServing(
            ImageIO(folder),
            8,
            hf_model_name_or_path=MODEL,
            Image_gen_task=task,
            diffuser_num_inference_steps=6,
            device=place.device,
            call_kwargs={"max_sequence_length": 64},
        )

    storage = FileStorage(cache_path="cache")
    return [
        DemoPromptGenerator(n=2, seed=5).run(storage.step()),
        PromptedImageGenerator(local("text2image", "cache/drawings")).run(
            storage.step(), input_conversation_key="input_text", output_image_key="input_image"
        ),
        PromptedImageEditGenerator(local("imageedit", "cache/edits")).run(
            storage.step(), input_image_key="input_image", output_image_key="edited_images"
        ),
    ]


def local_texts(place: Place) -> list[Summary]:
    """A language model and one that sees, with the checkpoints beside the cache."""
    told: dict[str, Any] = {"device": place.device, "max_new_tokens": 6, "temperature": 0}
    storage = FileStorage("rows.jsonl", "cache")
    return [
        Ask(LocalLLMServing("writer", seed=3, **told)).run(storage.step()),
        Ask(LocalVLMServing("seer", **told)).run(storage.step(), output_key="seen"),
    ]


def batches(api_format: Format) -> Callable[[Place], list[Summary]]:
    """Edits that go into batch files."""

    def run(place: Place) -> list[Summary]:
        serving = APIVLMServing_openai(
            place.url,
            model_name="frozen-painter",
            image_io=ImageIO("cache/images"),
            api_format=api_format,
            batch=True,
        )
        serving.batch_intervals = QUICK
        storage = FileStorage("rows.jsonl", "cache", prices=PRICES)
        return [PromptedImageEditGenerator(serving).run(storage.step())]

    return run


ANSWERED: dict[str, Cache] = {
    "edit": Cache(edit),
    "edit_interrupted": Cache(edit),
    "edit_absolute": Cache(edit_absolute),
    "two_prefixes": Cache(two_prefixes),
    "csv": Cache(draw_and_edit("csv")),
    "json": Cache(draw_and_edit("json")),
    "parquet": Cache(draw_and_edit("parquet")),
    "judged": Cache(judged),
    "prompts": Cache(prompts, servers.writing),
    "instructions": Cache(instructions, servers.seeing),
    "several": Cache(several),
    "demo": Cache(demo, None),
    "local_texts": Cache(local_texts, None),
}
"""Caches that hold every answer."""

IN_FLIGHT: dict[str, Cache] = {
    "batch_created": Cache(batches("images"), None),
    "batch_intended": Cache(batches("gemini"), None),
    "batch_half_taken": Cache(batches("images"), None),
}
"""Caches whose answers lie at the provider."""
