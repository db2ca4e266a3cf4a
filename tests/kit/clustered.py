"""Asks workers on a cluster of Ray, and reads from their journals how often each request was sent."""

from collections import Counter
from pathlib import Path

from dataflow.core.records import Answer, Request
from dataflow.flow.summary import Summary
from dataflow.pools.executor import LocalExecutor, call_directly
from tests.kit.far import Far
from tests.kit.flow import Ask, journal_entries, prompts_storage


def ask(worker: Far, *prompts: str, executor: LocalExecutor | None = None) -> list[Answer]:
    """The worker's answers to prompts, without a step."""
    return call_directly(worker, [Request(prompt, makes="text") for prompt in prompts], executor=executor)


def run(folder: Path, prompts: list[str], worker: Far | None = None) -> Summary:
    """Run a step with a row for each prompt, in `folder/cache`."""
    return Ask(worker or Far()).run(prompts_storage(folder, prompts).step())


def asked(folder: Path) -> Counter[str]:
    """How often each id was sent; checks that each id has exactly one answer."""
    entries = journal_entries(folder / "cache")
    got = Counter(entry["id"] for entry in entries if entry["t"] == "got")
    started = Counter(entry["id"] for entry in entries if entry["t"] == "start")
    assert set(got.values()) == {1}
    assert got.keys() == started.keys()
    return started


def answered(folder: Path) -> int:
    """The number of answers in the journal of `folder/cache`."""
    journal = folder / "cache/.dataflow/journal.jsonl"
    return journal.read_bytes().count(b'"t":"got"') if journal.exists() else 0


def processes(folder: Path) -> set[object]:
    """The processes that have answered, by the journal of `folder/cache`."""
    return {entry["model"] for entry in journal_entries(folder / "cache") if entry["t"] == "got"}
