"""Language models from their folder to a text, through the class that users construct."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.core.loop import submit
from dataflow.core.records import Request
from tests.kit.llm import ASKED, serving, texts
from tests.kit.tiny import WAIT, as_jobs, running
from tests.kit.tiny_text import changed, word_tokenizer

Checkpoints = Callable[[str], Path]


@pytest.mark.parametrize(
    "settings", [{"temperature": 0}, {"temperature": 1.0}, {"temperature": 0.8, "top_p": 0.7}], ids=str
)
def test_a_row_gets_the_answer_it_gets_alone(settings: dict[str, float], text_checkpoint: Checkpoints) -> None:
    made = serving(text_checkpoint("llama"), **settings)
    jobs = as_jobs(tuple(ASKED))
    with running(made):
        together = texts(list(submit(made.call(jobs)).result(WAIT)))
        backwards = texts(list(submit(made.call(jobs[::-1])).result(WAIT)))[::-1]
        alone = [texts(list(submit(made.call([job])).result(WAIT)))[0] for job in jobs]
    assert together == alone == backwards
    assert len(set(together)) == len(ASKED)


def test_a_repetition_penalty_does_not_count_the_padding(text_checkpoint: Checkpoints, tmp_path: Path) -> None:
    """The padding is a word here, as <|endoftext|> is an end token in many models."""
    folder = changed(
        text_checkpoint("llama"), tmp_path / "m", "generation_config.json", repetition_penalty=1.8, do_sample=False
    )
    tokenizer = word_tokenizer()
    tokenizer.pad_token = "fish"
    tokenizer.save_pretrained(folder)
    with running(serving(folder, max_new_tokens=30)) as ask:
        together = texts(ask(*ASKED))
        alone = [texts(ask(request))[0] for request in ASKED]
    with running(serving(text_checkpoint("llama"), max_new_tokens=30)) as ask:
        unpunished = texts(ask(*ASKED))
    assert together == alone
    assert together != unpunished


def test_the_same_seed_says_the_same_and_another_one_something_else(text_checkpoint: Checkpoints) -> None:
    with running(serving(text_checkpoint("llama"), temperature=1.5)) as ask:
        one, same, other = texts(ask(*(Request("a cat", makes="text", seed=seed) for seed in (1, 1, 2))))
    assert one == same != other


def test_asking_directly_goes_through_the_pool(text_checkpoint: Checkpoints) -> None:
    made = serving(text_checkpoint("llama"))
    answers = made.generate_from_input(["a cat", "two dogs"], system_prompt="be kind")
    assert answers == [made.generate(text, system_prompt="be kind").text for text in ("a cat", "two dogs")]


def test_before_setup_it_pickles_with_all_it_prepared(text_checkpoint: Checkpoints) -> None:
    made = serving(text_checkpoint("llama"), device=["cpu", "cpu"])
    made.prepare()
    made.settle()
    copied = pickle.loads(pickle.dumps(made.on_device("cpu")))
    assert (copied.placement.devices, copied.batching.max_batch, copied.fingerprint()) == (
        ("cpu",),
        8,
        made.fingerprint(),
    )


@pytest.mark.slow
def test_two_processes_say_what_one_says(text_checkpoint: Checkpoints) -> None:
    asked = ["a cat", "two dogs", "make the car red", "else"]
    one = serving(text_checkpoint("llama"), batch_size=1).generate_from_input(asked)
    assert serving(text_checkpoint("llama"), batch_size=1, device=["cpu", "cpu"]).generate_from_input(asked) == one


def test_the_fingerprint_is_the_models_content_and_not_its_place(text_checkpoint: Checkpoints, tmp_path: Path) -> None:
    here = serving(text_checkpoint("llama")).fingerprint()
    moved = Path(shutil.copytree(text_checkpoint("llama"), tmp_path / "elsewhere"))
    (moved / "README.md").write_text("notes")
    assert serving(moved).fingerprint() == here
    settings = json.loads((moved / "generation_config.json").read_text())
    (moved / "generation_config.json").write_text(json.dumps(settings | {"temperature": 0.7, "do_sample": True}))
    assert serving(moved).fingerprint() != here
