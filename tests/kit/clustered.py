"""Workers are asked on a cluster of Ray, and their journals say how often each request was sent."""

from collections import Counter
from pathlib import Path

from dataflow.core.records import Answer, Request
from dataflow.flow.summary import Summary
from dataflow.pools.executor import LocalExecutor, call_directly
from tests.kit.far import Far
from tests.kit.flow import Ask, journal_entries, prompts_storage


def ask(worker: Far, *prompts: str, executor: LocalExecutor | None = None) -> list[Answer]:
    return call_directly(worker, [Request(prompt, makes="text") for prompt in prompts], executor=executor)


def run(folder: Path, prompts: list[str], worker: Far | None = None) -> Summary:
    return Ask(worker or Far()).run(prompts_storage(folder, prompts).step())


def asked(folder: Path) -> Counter[str]:
    """How often each id was sent; every one of them has one answer."""
    entries = journal_entries(folder / "cache")
    got = Counter(entry["id"] for entry in entries if entry["t"] == "got")
    started = Counter(entry["id"] for entry in entries if entry["t"] == "start")
    assert set(got.values()) == {1}
    assert got.keys() == started.keys()
    return started


def answered(folder: Path) -> int:
    journal = folder / "cache/.dataflow/journal.jsonl"
    return journal.read_bytes().count(b'"t":"got"') if journal.exists() else 0


def processes(folder: Path) -> set[object]:
    return {entry["model"] for entry in journal_entries(folder / "cache") if entry["t"] == "got"}
