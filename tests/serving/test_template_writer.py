"""Sentences from templates: what an answer holds, and that its parts fit together."""

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from dataflow.core.records import Answer, Job, Request
from dataflow.serving.template_writer import TemplateWriter
from dataflow.taxonomy.brief import Brief, write_prompt
from dataflow.taxonomy.taxonomy import shipped_taxonomy
from dataflow.taxonomy.templates import SHIPPED

TAXONOMY = shipped_taxonomy()
ONE = Brief("remove", "en", ("en", "zh"), names_target=True)


def ask(brief: Brief, number: int = 0, writer: TemplateWriter | None = None) -> Answer:
    prompt = write_prompt(brief, TAXONOMY.operations[brief.operation])
    job = Job(hashlib.md5(b"%d" % number).hexdigest(), Request(prompt, makes="text"))
    (answer,) = asyncio.run((writer or TemplateWriter()).call([job]))
    return answer


def write(brief: Brief, number: int = 0) -> dict[str, str]:
    answer = ask(brief, number)
    assert answer.error is None, answer.error
    fields: dict[str, str] = orjson.loads(answer.text)
    return fields


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_answer_has_the_fields_of_the_brief_and_names_what_the_description_holds(language: str) -> None:
    brief = replace(ONE, language=language)
    for number in range(20):
        fields = write(brief, number)
        assert tuple(fields) == brief.fields
        assert fields["target"].lower() in fields["description"].lower()
        assert fields["target"].lower() in fields[f"short_{language}"].lower()
        assert not any("{" in text for text in fields.values())
        assert fields["short_en"].isascii()
        assert not fields["short_zh"].isascii()


def test_a_request_gets_the_same_answer_again_and_another_request_another() -> None:
    answers = [write(ONE, number)["description"] for number in (1, 1, *range(2, 12))]
    assert answers[0] == answers[1]
    assert len(set(answers)) > 5


@pytest.mark.parametrize("refer", ["position", "label", "words"])
def test_several_pictures_are_described_and_referred_to_as_the_brief_says(refer: str) -> None:
    brief = replace(ONE, operation="subjects", pictures=2, refer=refer)
    fields = write(brief)
    assert set(fields) == set(brief.fields)
    assert fields["description_1"] != fields["description_2"]
    said = fields["short_en"] + fields["long_en"]
    assert {"position": "first image", "label": "Image 1", "words": fields["target_1"]}[refer].lower() in said.lower()


def test_what_has_no_template_stops_the_run_with_what_to_use() -> None:
    (free,) = asyncio.run(TemplateWriter().call([Job("00" * 16, Request("Write a poem.", makes="text"))]))
    assert free.error is not None
    assert (free.error.kind, str(free.error)) == (
        "fatal",
        "the template writer has no sentences for prompts without a brief: use a language model",
    )
    prompt = write_prompt(ONE, TAXONOMY.operations[ONE.operation]).replace('"remove"', '"unheard_of"')
    (unknown,) = asyncio.run(TemplateWriter().call([Job("00" * 16, Request(prompt, makes="text"))]))
    assert unknown.error is not None
    assert "the operation 'unheard_of'" in str(unknown.error)


def test_the_fingerprint_is_that_of_the_words_wherever_they_lie(tmp_path: Path) -> None:
    copied, changed = tmp_path / "copied.yaml", tmp_path / "changed.yaml"
    text = SHIPPED.read_text(encoding="utf-8")
    copied.write_text(text, encoding="utf-8")
    changed.write_text(text.replace("lamp", "lantern"), encoding="utf-8")
    assert text != changed.read_text(encoding="utf-8")
    shipped = TemplateWriter().fingerprint()
    assert TemplateWriter(copied).fingerprint() == shipped
    assert TemplateWriter(changed).fingerprint() != shipped
