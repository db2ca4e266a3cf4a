"""Stage one against templates and against a language model that answers badly: mix, duplicates, counts."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from dataflow.errors import FatalAnswer, StepFailed
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.operators.core_text import EditPromptGenerator
from dataflow.operators.core_vision import PromptedImageEditGenerator, PromptedImageGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.template_writer import TemplateWriter
from dataflow.taxonomy.taxonomy import read_taxonomy, shipped_taxonomy
from dataflow.utils.storage import FileStorage, Step
from dataflow.view.status import StatusReader
from dataflow.view.status_text import describe
from tests.kit.flow import read_rows
from tests.kit.loopback import LoopbackServer
from tests.kit.scribe import FAULTS, Scribe
from tests.taxonomy.test_taxonomy import ONE

Row = dict[str, Any]


def report_of(step: Step) -> Row:
    report: Row = orjson.loads(step.meta.read_bytes())["report"]
    return report


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Summary, Step]:
    storage = FileStorage(cache_path=tmp_path_factory.mktemp("written"))
    return EditPromptGenerator(TemplateWriter(), n=2000).run(storage.step()), storage.current


def text_of(row: Row) -> str:
    return row["conversations"][0]["content"]


def test_2000_rows_of_templates_meet_the_mix_exactly(written: tuple[Summary, Step]) -> None:
    summary, step = written
    rows = read_rows(step.target)
    assert (summary.rows, summary.failed, len(rows)) == (2000, 0, 2000)
    wanted = {name: round(20 * each.share) for name, each in shipped_taxonomy().operations.items()}
    assert sum(wanted.values()) == 2000
    assert Counter(row["sub_type"] for row in rows) == wanted
    assert Counter(row["edit_type"] for row in rows)["object"] == 600
    assert Counter(row["language"] for row in rows) == {"en": 1000, "zh": 1000}


def test_they_hold_no_duplicates_and_their_diversity_is_told(written: tuple[Summary, Step]) -> None:
    rows = read_rows(written[1].target)
    described = [" ".join(message["content"] for message in row["input_text"]).lower() for row in rows]
    assert len(set(described)) == 2000
    shingles = [word_runs(f"{about} {text_of(row)}") for about, row in zip(described, rows, strict=True)]
    by_operation: dict[str, list[set[str]]] = {}
    for row, runs in zip(rows, shingles, strict=True):
        by_operation.setdefault(row["sub_type"], []).append(runs)
    nearest = max(
        len(one & other) / len(one | other)
        for group in by_operation.values()
        for at, one in enumerate(group)
        for other in group[:at]
    )
    assert nearest < 0.8  # 64 hashes tell 0.7 to within some 0.06
    diversity = report_of(written[1])["diversity"]
    assert diversity["entropy_bits"] == pytest.approx(5.15, abs=0.01)
    assert diversity["distinct_2"] > 0.08
    assert 0 < diversity["nearest_neighbour_mean"] < 0.5
    print(diversity)


def word_runs(text: str) -> set[str]:
    words = re.findall(r"[a-z']+|[\u4e00-\u9fff]", text.lower())
    return {" ".join(words[at : at + 3]) for at in range(len(words) - 2)}


# This test's own reading of rows: no instruction of these kinds may speak of nothing that is in the picture.
OF_THE_WHOLE = {
    *("lighting", "weather", "season", "art_style", "drawing", "era", "tone", "restore", "film", "outpaint"),
}
ENGLISH_FILLERS = {
    *("a", "an", "the", "and", "of", "in", "on", "at", "to", "with", "that", "for", "is", "are", "by", "it", "its"),
    *("as", "one", "from", "any", "reads", "picture", "photograph"),
}


def test_every_instruction_names_something_of_its_description_where_it_has_to(written: tuple[Summary, Step]) -> None:
    for row in read_rows(written[1].target):
        if row["sub_type"] in OF_THE_WHOLE:
            continue
        descriptions = [message["content"] for message in row["input_text"]]
        for form in row["instructions"]:
            if form["language"] != row["language"]:
                continue
            for description in descriptions:
                assert shared(form["content"], description, row["language"]), (form, descriptions)


def shared(instruction: str, description: str, language: str) -> set[str]:
    """Words of an English, two characters in a row of a Chinese instruction that its description has too."""
    if language == "en":
        both = [set(re.findall(r"[a-z]+", text.lower())) - ENGLISH_FILLERS for text in (instruction, description)]
    else:
        texts = ["".join(re.findall(r"[\u4e00-\u9fff]", text)) for text in (instruction, description)]
        both = [{text[at : at + 2] for at in range(len(text) - 1)} - {"照片", "一只"} for text in texts]
    return both[0] & both[1]


def test_rows_are_in_the_form_of_the_guide_and_in_every_form_asked_for(written: tuple[Summary, Step]) -> None:
    rows = read_rows(written[1].target)
    for row in rows:
        assert all(set(message) == {"content", "role"} for message in [*row["input_text"], *row["conversations"]])
        forms = {(form["language"], form["length"]): form["content"] for form in row["instructions"]}
        assert set(forms) == {("en", "short"), ("en", "long"), ("zh", "short"), ("zh", "long")}
        assert text_of(row) in (forms[row["language"], "short"], forms[row["language"], "long"])
        pictures = shipped_taxonomy().operations[row["sub_type"]].pictures
        assert pictures[0] <= len(row["input_text"]) <= pictures[1]
    short = sum(text_of(row) in [f["content"] for f in row["instructions"] if f["length"] == "short"] for row in rows)
    assert 960 <= short <= 1040


def test_more_rows_later_only_add_to_those_before(tmp_path: Path) -> None:
    few, many = FileStorage(cache_path=tmp_path), FileStorage(cache_path=tmp_path)
    EditPromptGenerator(TemplateWriter(), n=40).run(few.step())
    before = read_rows(few.current.target)
    summary = EditPromptGenerator(TemplateWriter(), n=60).run(many.step())
    assert read_rows(many.current.target)[:40] == before
    assert (summary.requests, summary.reused) == (20, 40)
    other = FileStorage(cache_path=tmp_path / "other")
    EditPromptGenerator(TemplateWriter(), n=40, seed=1).run(other.step())
    assert not {text_of(row) for row in read_rows(other.current.target) if row["sub_type"] == "remove"} & {
        text_of(row) for row in before if row["sub_type"] == "remove" and len(text_of(row)) > 40
    }


def test_a_mix_a_language_and_a_limit_are_kept_to(tmp_path: Path) -> None:
    storage = FileStorage(cache_path=tmp_path, limit=20)
    mix = {"remove": 3, "season": 1}
    EditPromptGenerator(TemplateWriter(), mix=mix, languages=["zh"], n=5000).run(storage.step())
    rows = read_rows(storage.current.target)
    assert Counter(row["sub_type"] for row in rows) == {"remove": 15, "season": 5}
    assert {form["language"] for row in rows for form in row["instructions"]} == {"zh"}


def test_few_rows_too_are_balanced_over_languages_and_lengths(tmp_path: Path) -> None:
    storage = FileStorage(cache_path=tmp_path)
    EditPromptGenerator(TemplateWriter(), n=60).run(storage.step())
    rows = read_rows(storage.current.target)
    forms = {form["content"]: form["length"] for row in rows for form in row["instructions"]}
    kinds = Counter((row["language"], forms[text_of(row)]) for row in rows)
    assert len(kinds) == 4
    assert all(10 <= count <= 20 for count in kinds.values()), kinds


def write(server: LoopbackServer, folder: Path, **settings: Any) -> tuple[Summary, Step]:
    serving = APIVLMServing_openai(server.url, model_name="scribe", max_workers=16)
    storage = FileStorage(cache_path=folder)
    return EditPromptGenerator(serving, **settings).run(storage.step()), storage.current


def test_faulty_answers_are_asked_again_and_the_mix_is_met_all_the_same(tmp_path: Path) -> None:
    scribe = Scribe()
    with LoopbackServer(act_for=scribe.act) as server:
        summary, step = write(server, tmp_path, n=200)
        requests = server.requests
        again, _ = write(server, tmp_path, n=200)
    assert (summary.rows, summary.failed, again.requests, server.requests) == (200, 0, 0, requests)
    wanted = {name: 2 * each.share for name, each in shipped_taxonomy().operations.items()}
    accepted = Counter(row["sub_type"] for row in read_rows(step.target))
    assert all(abs(accepted[name] - count) < 1 for name, count in wanted.items())
    assert len({json.dumps(row["input_text"]) for row in read_rows(step.target)}) == 200

    report, (first, second) = report_of(step), scribe.kinds()
    assert report["short"] == {}
    assert summary.requests == requests == first.total() + second.total()
    assert report["answers"]["unfit_twice"] == second.total() - second["good"]
    assert report["answers"]["fit_when_asked_again"] == second["good"]
    assert report["answers"]["fit_at_once"] == first.total() - second.total()
    assert report["first_faults"] == {FAULTS[kind]: count for kind, count in first.items() if kind in FAULTS}
    twice = {FAULTS[kind]: count for kind, count in second.items() if kind in FAULTS}
    same = {
        kind: report["rejected"].pop(kind) for kind in ("duplicate", "near_duplicate") if kind in report["rejected"]
    }
    assert report["rejected"] == twice
    assert 0 < sum(same.values()) <= first["duplicate"]
    asked_again = [asked for asked in server.asked if len(asked.body["messages"]) > 1]
    assert len(asked_again) == second.total()
    assert all(asked.prompt.startswith("That will not do: ") for asked in asked_again)


def test_a_larger_n_asks_nothing_again_and_keeps_what_was_fit_at_its_first_try(tmp_path: Path) -> None:
    with LoopbackServer(act_for=Scribe().act) as server:
        _, step = write(server, tmp_path, n=40)
        before, rejected = read_rows(step.target), sum(report_of(step)["rejected"].values())
        _, step = write(server, tmp_path, n=70)
        asked = Counter(json.dumps(each.body, sort_keys=True) for each in server.asked)
    assert asked.most_common(1)[0][1] == 1
    after = read_rows(step.target)
    at_first = 40 - rejected
    assert rejected > 0
    assert after[:at_first] == before[:at_first]
    assert (len(before), len(after)) == (40, 70)


def test_a_model_that_never_answers_well_is_asked_a_bounded_number_of_times(tmp_path: Path) -> None:
    with LoopbackServer(act_for=Scribe(always=("broken", "missing")).act) as server:
        with pytest.raises(StepFailed, match="`long_zh` is missing or is not text; no fit row in 3 tries"):
            write(server, tmp_path, mix={"remove": 1, "weather": 1}, n=4, tries=3)
        assert server.requests == 4 * 3 * 2
    report = report_of(FileStorage(cache_path=tmp_path).step())
    assert report["short"] == {"remove": 2, "weather": 2}
    assert report["rejected"] == {"missing_field": 12}
    assert report["first_faults"] == {"not_json": 12}


def test_what_falls_short_is_told_by_operation(tmp_path: Path) -> None:
    with LoopbackServer(act_for=Scribe(always=("duplicate", "")).act) as server:
        summary, step = write(server, tmp_path, mix={"remove": 1}, languages=["en"], n=5, tries=2)
        assert server.requests == 1 + 4 * 2
    assert (summary.rows, summary.failed) == (1, 4)
    assert report_of(step)["short"] == {"remove": 4}
    assert report_of(step)["rejected"] == {"duplicate": 8}
    failed = read_rows(step.errors)[0]
    assert failed["reason"] == "another row says the same; no fit row in 2 tries for `remove` number 2"
    assert failed["said"] == "A grey room with a chair in it. Remove the grey chair from the room, please."


def test_rows_that_failed_alike_are_told_as_one_with_what_the_model_said(tmp_path: Path) -> None:
    with (
        LoopbackServer(act_for=Scribe(always=("refusal", "refusal")).act) as server,
        pytest.raises(StepFailed, match="4 x such as: it declines instead of answering; no fit row in 2 tries"),
    ):
        write(server, tmp_path, mix={"remove": 1, "weather": 1}, n=4, tries=2)
    failed = read_rows(FileStorage(cache_path=tmp_path).step().errors)
    assert {line["said"] for line in failed} == {"I'm sorry, but I can't help with that."}
    status = "\n".join(describe(StatusReader(tmp_path).look(), 80))
    assert "complete        4/4       4" in status
    assert "      0 rows in its file, 4 failed\n      4 x such as: it declines instead of answering" in status


def test_its_rows_are_drawn_and_edited_as_they_are(tmp_path: Path) -> None:
    storage = FileStorage(cache_path=tmp_path)
    EditPromptGenerator(TemplateWriter(), mix={"remove": 1, "reference": 1}, n=6).run(storage.step())
    with LoopbackServer() as server:
        serving = APIVLMServing_openai(server.url, model_name="painter", image_io=ImageIO(str(tmp_path / "images")))
        PromptedImageGenerator(serving).run(
            storage.step(), input_conversation_key="input_text", output_image_key="input_image"
        )
        PromptedImageEditGenerator(serving).run(storage.step(), input_image_key="input_image")
        for row in read_rows(storage.current.target):
            assert len(row["input_image"]) == len(row["input_text"])
            assert len(row["edited_images"]) == 1
            assert server.prompts[text_of(row)] == 1


def test_an_operation_without_sentences_needs_a_language_model(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(ONE, encoding="utf-8")
    writer = EditPromptGenerator(TemplateWriter(), read_taxonomy(tmp_path / "own.yaml"), n=2)
    with pytest.raises(FatalAnswer, match="no sentences for the operation 'grow'"):
        writer.run(FileStorage(cache_path=tmp_path).step())
