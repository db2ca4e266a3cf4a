"""What the servers answered when the caches were made, by the prompt alone, so that they can be made once more."""

import json
from collections import Counter

from dataflow.taxonomy.brief import read_brief
from tests.kit import shapes
from tests.kit.loopback import Act, Asked, LoopbackServer
from tests.kit.scribe import good_answer
from tests.operators.core_text.test_edit_instruction_generator import GOOD, offered_to

SIZE = (8, 4)
USAGE = {"prompt_tokens": 40, "completion_tokens": 7, "total_tokens": 47}


class Troubles:
    """Good pictures, but for prompts that say what is to go wrong; most go wrong the first time only."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def __call__(self, asked: Asked) -> Act | None:
        prompt = asked.prompt
        self._seen[prompt] += 1
        first = self._seen[prompt] == 1
        if "refuse" in prompt:
            return Act(400, {"error": {"message": "Flagged by the safety system.", "code": "moderation_blocked"}})
        if "filter" in prompt:
            choice = {"message": {"role": "assistant", "content": ""}, "finish_reason": "content_filter"}
            return Act(body={"choices": [choice], "usage": USAGE})
        if "busy" in prompt and first:
            return Act(429, {"error": {"message": "Slow down."}}, {"Retry-After": "0"})
        if "lost" in prompt and first:
            return Act(cut=40)
        if "credits" in prompt and first:
            return Act(429, {"error": {"message": "Your prepayment credits are depleted."}})
        if prompt.startswith("judge"):
            return said({"score": 1 if "twice" in prompt and "Better" not in prompt else 9})
        return None


def write(asked: Asked) -> Act:
    """A language model that is briefed: it never manages to remove, and recolours only when asked again."""
    messages = asked.body["messages"]
    prompt = str(messages[0]["content"])
    brief, again = read_brief(prompt), len(messages) > 1
    assert brief is not None
    if brief.operation == "remove" or (brief.operation == "recolour" and not again):
        return Act(body=shapes.whole("images", [], "Here you are: nothing."))
    if brief.operation == "replace":
        return Act(400, {"error": {"message": "Flagged by the safety system.", "code": "moderation_blocked"}})
    return said(good_answer(prompt))


def see(asked: Asked) -> Act:
    """A model that looks: its first answer names an operation that was not offered."""
    again = len(asked.body["messages"]) > 1
    return said({"operation": offered_to(asked)[0] if again else "levitate", **GOOD})


def said(fields: object) -> Act:
    return Act(body=shapes.whole("images", [], json.dumps(fields), usage=USAGE))


def drawing(port: int = 0) -> LoopbackServer:
    return LoopbackServer(size=SIZE, act_for=Troubles(), port=port)


def writing(port: int = 0) -> LoopbackServer:
    return LoopbackServer(size=SIZE, act_for=write, port=port)


def seeing(port: int = 0) -> LoopbackServer:
    return LoopbackServer(size=SIZE, act_for=see, port=port)


def refusing() -> LoopbackServer:
    """Who asks it anything is told at once that its key is wrong."""
    return LoopbackServer(act_for=lambda asked: Act(401, {"error": {"message": "nothing is to be asked"}}))
