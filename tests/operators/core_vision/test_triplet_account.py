"""What the report of an accepted set says of its money, held against the server's own bill."""

import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from dataflow.core.records import Answer, Job, Row
from dataflow.errors import ConfigError
from dataflow.flow.summary import Summary
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
from dataflow.taxonomy.brief import read_brief
from dataflow.taxonomy.priors import prior_passes
from dataflow.utils.storage import FileStorage
from tests.kit.billing import Bill
from tests.kit.loopback import Act, Asked, LoopbackServer
from tests.kit.triplets import MIX, Eye, Hand, Pen, World, accept_loop, likely_world, run_synthesizer, two_pictures

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


def synthesized(folder: Path, server: LoopbackServer, quota: Quota) -> tuple[Summary, Row]:
    """What a set by templates comes to, and its report."""
    files = ImageIO(str(folder / "pictures"))
    drawer = APIVLMServing_openai(server.url, model_name="drawer", image_io=files, api_format="chat")
    looker = APIVLMServing_openai(server.url, model_name="looker")
    loop = ImageEditAcceptLoop(drawer, ImageEditJudge(looker, canaries=False), gates=False, retry="resample")
    writer = EditPromptGenerator(TemplateWriter(), languages=["en"])
    made = TripletSynthesizer(writer, PromptedImageGenerator(drawer), loop, quota=quota)
    storage = FileStorage(cache_path=folder / "cache", prices=dict(PRICES))
    summary = made.run(storage.step())
    report: Row = orjson.loads(storage.current.meta.read_bytes())["report"]["quota"]
    return summary, report


def test_the_money_per_accepted_row_is_that_of_the_servers_bill(tmp_path: Path) -> None:
    with LoopbackServer(act_for=judge, bill=Bill("5", "40")) as server:
        summary, report = synthesized(tmp_path, server, Quota(12, mix={"move": 1.0, "zoom": 1.0}, max_cost=50.0))
        assert server.bill is not None
        billed = float(server.bill.total())
    assert summary.rows == 12
    assert summary.sides["rejected"] > 0
    assert summary.spent == pytest.approx(billed, rel=1e-9)
    assert summary.cost_per_image == pytest.approx(billed / 12, rel=1e-9)
    assert report["cost"] == pytest.approx(billed, rel=1e-9)
    assert sum(each["cost"] for each in report["operations"].values()) == pytest.approx(billed, rel=1e-9)


@pytest.mark.parametrize("candidates", [1, 2, 4])
def test_every_candidate_of_a_try_is_in_the_forecast(tmp_path: Path, candidates: int) -> None:
    mix = {"move": 2.0, "art_style": 1.0}
    of, (wrong, right) = World(prior_passes(mix), dict.fromkeys(mix, 0.35), cost=0.07), two_pictures(tmp_path)
    editor, judge = Hand("editor", of, [wrong, right]), ImageEditJudge(Eye(right), canaries=False)
    loop = ImageEditAcceptLoop(editor, judge, candidates=candidates, retry="resample", gates=False)
    painter = PromptedImageGenerator(Hand("painter", of, [wrong, right]))
    writer = EditPromptGenerator(Pen(), languages=["en"])
    made = TripletSynthesizer(writer, painter, loop, quota=Quota(150, mix=mix))
    prices = {name: {"image": 0.07} for name in ("painter", "editor")}
    dry = made.run(FileStorage(cache_path=tmp_path / "cache", prices=prices, dry_run=True).step())
    found = re.search(r"([\d,]+) \([\d,]+ to [\d,]+\) edits, ([\d.]+) USD", " ".join(str(dry).split()))
    assert found is not None
    summary = made.run(FileStorage(cache_path=tmp_path / "cache", prices=prices).step())
    assert summary.sides["tries"] == pytest.approx(float(found[1].replace(",", "")), rel=0.2)
    assert summary.spent == pytest.approx(float(found[2]), rel=0.2)


class Parrot(Pen):
    """Says the same of every row of an operation."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [self._said(job) for job in batch]

    def _said(self, job: Job) -> Answer:
        brief = read_brief(job.request.prompt)
        assert brief is not None
        said = f"a grey wall with a cat on it (kind: {brief.operation})"
        fields = {name: f"{said}, and all else as it was" if "long" in name else said for name in brief.fields}
        return Answer(text=orjson.dumps({**fields, **dict.fromkeys(brief.suffixed("target"), "a grey wall")}).decode())


def test_what_rows_share_is_paid_once_in_the_report_too(tmp_path: Path) -> None:
    of, pictures = likely_world(1, cost=0.07), two_pictures(tmp_path)
    painter = PromptedImageGenerator(Hand("painter", of, pictures))
    writer = EditPromptGenerator(Parrot(), languages=["en"])
    made = TripletSynthesizer(
        writer, painter, accept_loop(tmp_path, of), quota=Quota(10, mix={"move": 1.0}, max_cost=5.0)
    )
    storage = FileStorage(
        cache_path=tmp_path / "cache", prices={name: {"image": 0.15} for name in ("painter", "editor")}
    )
    summary = made.run(storage.step())
    report = orjson.loads(storage.current.meta.read_bytes())["report"]["quota"]
    assert summary.sides["tries"] > 20
    assert report["cost"] == pytest.approx(summary.spent) == pytest.approx(report["operations"]["move"]["cost"])
    assert summary.spent < 1.0
    assert not report["stopped_at_max_cost"]


def test_a_small_limit_buys_edits_and_not_drawings_alone_where_no_picture_has_a_usual_price(tmp_path: Path) -> None:
    with LoopbackServer(act_for=judge, bill=Bill("5", "40")) as server:
        summary, _ = synthesized(tmp_path, server, Quota(12, mix={"move": 1.0, "zoom": 1.0}, max_cost=2.0))
    assert summary.spent <= 2.0
    assert summary.rows > 0
    assert summary.sides["tries"] >= summary.sides["drawn"] - 4


@pytest.mark.parametrize("mix", [{"subjects": 1.0}, {"move": 1.0}, {"subjects": 1.0, "move": 1.0}])
def test_every_picture_of_a_row_is_in_the_forecast(tmp_path: Path, mix: dict[str, float]) -> None:
    usual = World(prior_passes(mix), dict.fromkeys(mix, 0.35), cost=0.07)
    said = " ".join(str(run_synthesizer(tmp_path, Quota(150, mix=mix), of=usual, dry_run=True)).split())
    found = re.search(r"edits, ([\d.]+) USD", said)
    assert found is not None
    assert run_synthesizer(tmp_path, Quota(150, mix=mix), of=usual).spent == pytest.approx(float(found[1]), rel=0.2)


def test_a_set_that_nothing_would_end_is_refused_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody charges, so max_cost ends nothing"):
        run_synthesizer(tmp_path, Quota(5, mix=MIX, hopeless=0, max_cost=5.0))
    never = World({"move": 0.0}, {"move": 0.0}, cost=0.07)
    summary = run_synthesizer(tmp_path, Quota(5, mix={"move": 1.0}, hopeless=0, max_cost=5.0), of=never)
    assert "stopped at max_cost" in str(summary)
