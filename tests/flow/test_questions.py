"""Equal questions of different rows are asked once, whenever the answer arrives."""

from pathlib import Path

from dataflow.core.records import Request, Row
from dataflow.flow.recipe import Recipe, Steps
from dataflow.flow.runner import run_step
from tests.kit.flow import column, prompts_storage
from tests.kit.workers import Gated, until


def test_an_answer_that_arrives_while_others_are_looked_at_is_not_asked_again(tmp_path: Path) -> None:
    worker = Gated(held="shared")
    storage = prompts_storage(tmp_path, ["holds it", "wants it", "lets it go"])
    journal = tmp_path / "cache" / ".dataflow" / "journal.jsonl"

    def await_answers(count: int) -> None:
        until(lambda: journal.read_bytes().count(b'"t":"got"') >= count)

    def ask(prompt: str) -> Request:
        return Request(prompt, makes="text", worker="model")

    def steps(row: Row) -> Steps:
        if row["prompt"] != "holds it":
            yield [ask(row["prompt"])]
            await_answers(2)
        if row["prompt"] == "lets it go":  # after the row before it looked for the answer
            worker.open()
            await_answers(3)
            return [{**row, "said": "nothing"}]
        (answer,) = yield [ask("shared")]
        return [{**row, "said": answer.text}]

    run_step(Recipe("Ask", steps, {"model": worker}, ("prompt",), "said"), storage.step())
    assert sorted(worker.asked) == ["lets it go", "shared", "wants it"]
    first, second = column(storage.current, "said")[:2]
    assert first == second
