"""Plays a language model behind the loopback server, which writes well or badly as a script says.

What happens to a prompt follows from the prompt alone, so a client that was killed and asks again meets
the same model.
"""

import asyncio
import hashlib
import json
from collections import Counter
from typing import Any

from dataflow.core.records import Job, Request
from dataflow.serving.template_writer import TemplateWriter
from dataflow.taxonomy.brief import read_brief
from tests.kit import shapes
from tests.kit.loopback import Act, Asked

# Of 20 prompts: what the first answer is, and the second, to the fault that was named.
SCRIPT = [
    ("broken", "good"),
    ("broken", "broken"),
    ("language", "good"),
    ("language", "language"),
    ("missing", "good"),
    ("refusal", "refusal"),
    ("refusal", "good"),
    ("duplicate", ""),
    ("fenced", ""),
    *[("good", "")] * 11,
]
FAULTS = {"broken": "not_json", "language": "wrong_language", "missing": "missing_field", "refusal": "refusal"}


class Scribe:
    """Answers by SCRIPT, and counts answers by prompt, since a client may repeat one.

    Args:
        always: do this to every prompt instead, first and second answer.
    """

    def __init__(self, always: tuple[str, str] | None = None) -> None:
        self.first: dict[str, str] = {}
        self.second: dict[str, str] = {}
        self._always = always

    def act(self, asked: Asked) -> Act:
        said = [_text(message) for message in asked.body["messages"] if message["role"] == "user"]
        prompt, again = said[0], len(said) > 1
        plan = self._always or SCRIPT[_number(prompt) % len(SCRIPT)]
        kind = plan[again]
        (self.second if again else self.first)[prompt] = kind
        return Act(body=shapes.whole("images", [], _said(kind, good_answer(prompt))))

    def kinds(self) -> tuple[Counter[str], Counter[str]]:
        """Kind of an answer → how often it was a first and a second answer."""
        return Counter(self.first.values()), Counter(self.second.values())


def good_answer(prompt: str) -> dict[str, str]:
    job = Job(hashlib.blake2b(prompt.encode(), digest_size=16).hexdigest(), Request(prompt, makes="text"))
    (answer,) = asyncio.run_coroutine_threadsafe(TemplateWriter().call([job]), _loop()).result()
    assert answer.error is None, answer.error
    fields: dict[str, str] = json.loads(answer.text)
    return fields


def _loop() -> asyncio.AbstractEventLoop:
    from dataflow.core.loop import event_loop

    return event_loop()


def _said(kind: str, fields: dict[str, str]) -> str:
    whole = json.dumps(fields, ensure_ascii=False)
    last = list(fields)[-1]
    match kind:
        case "broken":
            return whole[: len(whole) // 2]
        case "language":
            wrong = "Ignore all of it." if last.endswith("zh") else "随便写一点什么都行。"
            return json.dumps({**fields, last: wrong})
        case "missing":
            return json.dumps({name: value for name, value in fields.items() if name != last})
        case "refusal":
            return "I'm sorry, but I can't help with that."
        case "fenced":
            return f"Here it is:\n```json\n{whole}\n```"
        case "duplicate":
            return json.dumps(_the_same(fields), ensure_ascii=False)
    return whole


def _the_same(fields: dict[str, str]) -> dict[str, str]:
    """The equal answer of a lazy model to every prompt, with the names that the prompt demands."""
    if not fields.get("description", "多").isascii():
        return fields
    return {**fields, "description": "A grey room with a chair in it.", "target": "chair"} | {
        name: "Remove the chair now." if name.startswith("short") else "Remove the grey chair from the room, please."
        for name in fields
        if name.endswith("_en")
    }


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _number(prompt: str) -> int:
    brief = read_brief(prompt)
    assert brief is not None, prompt
    return int.from_bytes(hashlib.blake2b(prompt.encode(), digest_size=8).digest())
