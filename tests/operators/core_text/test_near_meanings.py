"""Rows that say the same in other words, by a real static embedding model: found, asked again, counted."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from dataflow.errors import UnfitAnswer
from dataflow.flow.summary import Summary
from dataflow.operators.core_text import EditPromptGenerator, MultiImagePromptGenerator
from dataflow.operators.core_text.diversity import Diversity
from dataflow.operators.core_text.embeddings import LENGTH, Embedder, load_embedder
from dataflow.operators.core_text.near_duplicates import signature
from dataflow.operators.core_text.near_meanings import NearMeanings
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.template_writer import TemplateWriter
from dataflow.utils.storage import FileStorage, Step
from tests.chaos.checks import ROOT
from tests.chaos.test_kill import Killer
from tests.kit import shapes
from tests.kit.flow import read_rows
from tests.kit.loopback import Act, Asked, LoopbackServer
from tests.kit.scribe import good_answer
from tests.kit.tiny_static import SYNONYMS, static_model

ENGLISH = {"en": ["Remove the red chair from the picture."]}
SAID, OTHERWISE, OTHER = "Turn the red circle green.", "Make the crimson disc emerald.", "Turn the blue square green."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return static_model(tmp_path_factory.mktemp("static"))


@pytest.fixture(scope="module")
def embedder(model: Path) -> Embedder:
    return load_embedder(str(model), ENGLISH)


def cosine(embedder: Embedder, one: str, other: str) -> float:
    vectors = [embedder.vector(text).astype(np.int64) for text in (one, other)]
    return float(vectors[0] @ vectors[1]) / LENGTH**2


def test_a_paraphrase_is_found_that_shares_no_run_of_words(embedder: Embedder) -> None:
    assert not (signature(SAID) == signature(OTHERWISE)).any()
    assert cosine(embedder, SAID, OTHERWISE) > 0.9 > cosine(embedder, SAID, OTHER) > 0.5
    words = Diversity()
    for text in (SAID, OTHERWISE, OTHER):
        words.add(text, "", "recolour", language="en")
    meanings = Diversity(embedder, max_similarity=0.9)
    meanings.add(SAID, "", "recolour", language="en")
    with pytest.raises(UnfitAnswer, match=r"in other words \(0\.9") as caught:
        meanings.add(OTHERWISE, "", "recolour", language="en")
    assert caught.value.fault == "same_meaning"
    meanings.add(OTHER, "", "recolour", language="en")
    meanings.add(OTHERWISE, "", "replace", language="en")  # another edit
    report = meanings.report()
    assert report["nearest_meaning_highest"] == pytest.approx(cosine(embedder, SAID, OTHER), abs=1e-3)
    assert report["embedding_model"] == embedder.identity
    assert "nearest_meaning_highest" not in words.report()


def test_whole_numbers_tell_the_cosine_and_their_products_are_exact() -> None:
    random = np.random.default_rng(0)
    drawn = random.standard_normal((600, 256)) + 0.8 * random.standard_normal(256)
    true = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    whole = np.rint(true * LENGTH).astype(np.int16)
    near, nearest = NearMeanings(), np.zeros(600)
    for at, vector in enumerate(whole):
        told = near.add(vector, ("g",), below=1.1)
        exact = (whole[:at].astype(np.int64) @ vector.astype(np.int64)).max(initial=0)
        assert told == np.float32(exact) / np.float32(LENGTH**2)
        assert told == pytest.approx((true[:at] @ true[at]).max(initial=0), abs=1e-3)
    products = true @ true.T
    np.fill_diagonal(products, 0)
    nearest = np.sort(products.max(axis=1))
    assert near.neighbours() == pytest.approx(nearest, abs=1e-3)


def test_a_text_without_a_known_word_is_like_no_other(embedder: Embedder) -> None:
    near = NearMeanings()
    for text in ("qwertz", "zxcvb", SAID):
        assert near.add(embedder.vector(text), ("g",), below=0.9) == 0


class Paraphraser:
    """Says one thing to every third prompt, in other words each time; else it writes well."""

    def __init__(self) -> None:
        self.lazy: dict[str, str] = {}

    def act(self, asked: Asked) -> Act:
        number = int.from_bytes(hashlib.blake2b(asked.prompt.encode(), digest_size=16).digest())
        fields = good_answer(asked.prompt) if number % 3 else paraphrase(number // 3)
        if not number % 3:
            self.lazy[asked.prompt] = fields["description"]
        return Act(body=shapes.whole("images", [], json.dumps(fields)))


def paraphrase(number: int) -> dict[str, str]:
    remove, _, red, circle, _, *place = (group[number >> 2 * at & 3] for at, group in enumerate(SYNONYMS))
    thing = f"{red} {circle}"
    return {
        "description": f"{thing} {' '.join(place)}",
        "target": thing,
        "short_en": f"{remove} {thing}",
        "long_en": f"{remove} {thing} {place[1]} {place[4]}",
    }


def write(server: LoopbackServer, folder: Path, **settings: Any) -> tuple[Summary, Step, dict[str, Any]]:
    serving = APIVLMServing_openai(server.url, model_name="scribe", max_workers=16)
    storage = FileStorage(cache_path=folder)
    writer = EditPromptGenerator(serving, mix={"remove": 2, "season": 1}, languages=["en"], n=60, tries=8, **settings)
    summary = writer.run(storage.step())
    return summary, storage.current, orjson.loads(storage.current.meta.read_bytes())["report"]


def test_a_writer_that_paraphrases_is_asked_again_and_the_mix_is_met(model: Path, tmp_path: Path) -> None:
    scribe = Paraphraser()
    with LoopbackServer(act_for=scribe.act) as server:
        summary, step, report = write(server, tmp_path, embedding_model=str(model))
        lazy, requests, rows = Counter(scribe.lazy.values()), server.requests, read_rows(step.target)
        again, _, same = write(server, tmp_path, embedding_model=str(model))
        assert (again.requests, same, server.requests) == (0, report, requests)
        _, by_words, without = write(server, tmp_path)  # over the same answers
        assert server.requests == requests
    assert (summary.rows, summary.failed, report["short"]) == (60, 0, {})
    assert Counter(row["sub_type"] for row in rows) == {"remove": 40, "season": 20}
    kept = [row for row in rows if row["input_text"][0]["content"] in lazy]
    assert [row["sub_type"] for row in kept].count("remove") == [row["sub_type"] for row in kept].count("season") == 1
    assert report["rejected"] == {"same_meaning": lazy.total() - 2} == {"same_meaning": requests - 60}
    assert report["diversity"]["nearest_meaning_highest"] < 0.9
    assert without["rejected"] == {}  # words alone find none of them
    assert sum(row["input_text"][0]["content"] in lazy for row in read_rows(by_words.target)) > 10


class KillingParaphraser(Paraphraser):
    """Kills its client soon after the n-th different prompt of all runs."""

    def __init__(self, killer: Killer) -> None:
        super().__init__()
        self._killer = killer

    def act(self, asked: Asked) -> Act:
        self._killer.act(asked)
        return super().act(asked)


def test_after_a_kill_the_same_rows_are_kept(model: Path, tmp_path: Path) -> None:
    killer = Killer([30], seed=1)
    settings: dict[str, Any] = {
        "mix": {"remove": 2, "season": 1},
        "languages": ["en"],
        "tries": 8,
        "embedding_model": str(model),
    }
    with LoopbackServer(latency=0.02, act_for=KillingParaphraser(killer).act, remember=False) as server:
        command = [sys.executable, "-m", "tests.chaos.write_prompts", server.url, str(tmp_path / "killed"), "40"]
        killer.process = subprocess.Popen([*command, json.dumps(settings)], cwd=ROOT)
        assert killer.process.wait() == -9
        assert subprocess.run([*command, json.dumps(settings)], cwd=ROOT).returncode == 0
        serving = APIVLMServing_openai(server.url, model_name="scribe")
        whole = FileStorage(cache_path=tmp_path / "whole")
        EditPromptGenerator(serving, n=40, **settings).run(whole.step())
    killed = FileStorage(cache_path=tmp_path / "killed/cache").step()
    assert killed.target.read_bytes() == whole.current.target.read_bytes()
    reports = [orjson.loads(step.meta.read_bytes())["report"] for step in (killed, whole.current)]
    assert reports[0] == reports[1]
    assert reports[0]["rejected"]["same_meaning"] > 5


def test_pictures_are_several_and_languages_apart(model: Path, tmp_path: Path) -> None:
    storage = FileStorage(cache_path=tmp_path)
    writer = MultiImagePromptGenerator(TemplateWriter(), n=40, embedding_model=str(model), max_similarity=0.97)
    summary = writer.run(storage.step())
    report = orjson.loads(storage.current.meta.read_bytes())["report"]
    assert (summary.rows, report["short"]) == (40, {})
    assert 0 < report["diversity"]["nearest_meaning_mean"] < 0.97
