"""What the report of an accepted set says of its money, held against the server's own bill."""

import json
import zlib
from pathlib import Path

import orjson
import pytest

from dataflow.io import ImageIO
from dataflow.operators.core_text import EditPromptGenerator
from dataflow.operators.core_vision import (
    ImageEditAcceptLoop,
    ImageEditJudge,
    PromptedImageGenerator,
    TripletSynthesizer,
)
from dataflow.quota.quota import Quota
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.template_writer import TemplateWriter
from dataflow.utils.storage import FileStorage
from tests.kit.billing import Bill
from tests.kit.loopback import Act, Asked, LoopbackServer

BOUNDS = {"most_input": 20_000, "most_picture": 2_000, "most_output": 4_000}
PRICES = {name: {"input": 5, "output": 40, **BOUNDS} for name in ("drawer", "looker")}


def judge(asked: Asked) -> Act | None:
    """Two edits of three are good."""
    if asked.body["model"] != "looker":
        return None
    at = 2 if zlib.crc32(b"".join(asked.images)) % 3 == 0 else 9
    axes = dict.fromkeys(("following", "preservation", "naturalness", "artefacts", "identity", "text", "points"), at)
    said = json.dumps({"differences": "some", "reasoning": "as asked", **axes})
    usage = {"prompt_tokens": 2_000 + len(asked.prompt), "completion_tokens": len(said)}
    return Act(body={"choices": [{"message": {"role": "assistant", "content": said}}], "usage": usage})


def test_the_money_per_accepted_row_is_that_of_the_servers_bill(tmp_path: Path) -> None:
    with LoopbackServer(act_for=judge, bill=Bill("5", "40")) as server:
        files = ImageIO(str(tmp_path / "pictures"))
        drawer = APIVLMServing_openai(server.url, model_name="drawer", image_io=files, api_format="chat")
        looker = APIVLMServing_openai(server.url, model_name="looker")
        loop = ImageEditAcceptLoop(drawer, ImageEditJudge(looker, canaries=False), gates=False, retry="resample")
        writer = EditPromptGenerator(TemplateWriter(), languages=["en"])
        quota = Quota(12, mix={"move": 1.0, "zoom": 1.0}, max_cost=50.0)
        made = TripletSynthesizer(writer, PromptedImageGenerator(drawer), loop, quota=quota)
        storage = FileStorage(cache_path=tmp_path / "cache", prices=dict(PRICES))
        summary = made.run(storage.step())
        assert server.bill is not None
        billed = float(server.bill.total())
    assert summary.rows == 12
    assert summary.sides["rejected"] > 0
    assert summary.spent == pytest.approx(billed, rel=1e-9)
    assert summary.cost_per_image == pytest.approx(billed / 12, rel=1e-9)
    report = orjson.loads(storage.current.meta.read_bytes())["report"]["quota"]
    assert report["cost"] == pytest.approx(billed, rel=1e-9)
    assert sum(each["cost"] for each in report["operations"].values()) == pytest.approx(billed, rel=1e-9)
