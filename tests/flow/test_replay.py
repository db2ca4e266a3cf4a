"""What rows are replayed with where another step of the process asks the same at the same time."""

import threading
from pathlib import Path

from dataflow.core.records import Answer, Job
from dataflow.errors import Failure
from dataflow.flow.runner import run_step
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, judge_until_good, prompts_storage, read_rows, recipe
from tests.kit.workers import Echo, Gated, Scripted, until


def test_a_failure_of_another_step_is_not_taken_for_the_own(tmp_path: Path) -> None:
    storage, worker = prompts_storage(tmp_path, ["first", "same"]), Echo()
    other = FileStorage(storage.first_entry_file_name, storage.cache_path, "other")
    slow = Gated(held="same")
    slow.model = "another"

    def fail_beside() -> None:
        until(lambda: worker.asked == ["first"])  # so the second step has begun
        Ask(Scripted({"same": [Failure("failed", "once")]})).run(other.step())
        slow.open()

    thread = threading.Thread(target=fail_beside)
    thread.start()
    with storage.overlapped():
        Ask(slow).run(storage.step(), output_key="other")
        Ask(worker).run(storage.step())
    thread.join()
    assert [read_rows(other.current.errors)[0]["reason"], worker.asked] == ["once", ["first", "same"]]
    assert not storage.current.errors.exists()


class FailsOnce(Gated):
    """Fails one prompt, and holds another one."""

    async def answer(self, job: Job) -> Answer:
        answer = await super().answer(job)
        return Answer(error=Failure("failed", "no")) if job.request.prompt == "fails" else answer


def test_a_row_that_failed_stays_failed_though_another_step_is_answered_the_same(tmp_path: Path) -> None:
    storage, editor, judge = prompts_storage(tmp_path, ["held", "fails"]), FailsOnce(held="held"), Echo(model="judge")
    other = FileStorage(tmp_path / "other.jsonl", storage.cache_path, "other")

    def answer_beside() -> None:
        until(lambda: sorted(editor.asked) == ["fails", "held"])
        until(lambda: (tmp_path / "cache/.dataflow/journal.jsonl").read_text().count('"fail"') == 1)
        only = other.step()
        only.source.write_text('{"prompt": "fails"}\n')
        Ask(Echo()).run(only)
        editor.open()

    thread = threading.Thread(target=answer_beside)
    thread.start()
    made = recipe(editor, steps=judge_until_good, workers={"editor": editor, "judge": judge})
    summary = run_step(made, storage.step())
    thread.join()
    assert summary.failed == 1
    again = run_step(made, FileStorage(storage.first_entry_file_name, storage.cache_path).step())
    assert (again.failed, "fails" in editor.asked[2:]) == (0, False)
