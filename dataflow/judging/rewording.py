"""Makes the prompt of a further try, by what was wrong with the edits before it."""

from collections.abc import Mapping
from typing import get_args

from dataflow.core.records import Request
from dataflow.errors import ConfigError, RowError
from dataflow.judging.together import Asking
from dataflow.judging.tries import REWRITER, Retry, Task, Try, Wording
from dataflow.taxonomy.thoughts import without_thoughts

FAULTS: Mapping[str, str] = {
    "no_op": "nothing changed",
    "size": "the picture got another shape",
    "frame": "the picture got a frame",
    "moved": "the whole picture moved",
    "cast": "what was to stay got other colours",
    "too_much": "hardly anything stayed as it was",
    "outside_mask": "something changed outside the mask",
}
"""Gate → what is wrong with an edit that does not pass the gate, in words for the editor."""
_CRITIQUE = "{instruction}\nAn earlier edit was not good enough: {critique}"
_REWRITE = (
    "Say this instruction for editing a picture in other words, in the same language. It must ask for exactly the same,"
    " no more and no less.\n<instruction>\n{instruction}\n</instruction>\nAn edit by it was not good enough:"
    " {critique}\nAnswer with the new instruction and nothing else."
)


def check_retry(retry: Retry) -> None:
    """Check that `retry` is a function or one of the known words.

    Raises:
        ConfigError: it is neither.
    """
    if not callable(retry) and retry not in get_args(Wording):
        raise ConfigError(f"retry is {retry!r}: give one of {', '.join(get_args(Wording))}, or a function")


def next_prompt(retry: Retry, task: Task, best: Try, number: int, *, has_rewriter: bool = False) -> Asking[str]:
    """Make the prompt of a further try, and ask the rewriter for it if need be.

    Args:
        retry: how the prompt is made; "reword" takes the task's phrasings in turn, then the rewriter's answer, then
            the instruction with the critique.
        task: the task of the row.
        best: the best edit so far.
        number: number of the try, from 1.
        has_rewriter: there is a worker "rewriter".

    Raises:
        AnswerError: the request to the rewriter failed, and not because the rewriter refused.
        RowError: the function `retry` returned no text.
    """
    if not isinstance(retry, str):
        prompt = retry(task.instruction, best.verdict, number)
        if not isinstance(prompt, str) or not prompt.strip():
            raise RowError(f"the function of retry= returned {prompt!r:.80} for try {number}: it must say what to ask")
        return prompt
    if retry == "resample":
        return task.instruction
    if retry == "reword" and number <= len(task.phrasings):
        return task.phrasings[number - 1]
    critique = FAULTS.get(best.verdict.gate) or best.verdict.critique
    if retry == "reword" and has_rewriter:
        wanted = _REWRITE.format(instruction=task.instruction, critique=critique)
        (answer,) = yield [Request(wanted, makes="text", repeat=number, worker=REWRITER)]
        is_refused = answer.error is not None and answer.error.kind == "refused"
        if not is_refused and (rewritten := without_thoughts(answer.raise_for_error().text).strip()):
            return rewritten
    return _CRITIQUE.format(instruction=task.instruction, critique=critique) if critique else task.instruction
