"""ms-swift: DPO for a judge that chooses between two edits, in JSONL of messages.

Each pair is asked in both orders, as the accept loop asks its judge, so that the judge cannot learn to prefer a place.
The rejected answer says of the better edit what is wrong with the worse one.
"""

from collections.abc import Iterator

from dataflow.core.records import JSON
from dataflow.export.formats import Format, Output, Takes, write_jsonl
from dataflow.export.pair_questions import PairQuestion, holds_no_mark, pair_questions


def write(output: Output) -> str:
    """Write `{split}.jsonl` for each split."""
    for split in output.records.splits:
        write_jsonl(output.folder / f"{split}.jsonl", _lines(output, split))
    return f"swift rlhf --rlhf_type dpo --model MODEL --dataset {output.word('train.jsonl')}"


def _lines(output: Output, split: str) -> Iterator[dict[str, JSON]]:
    for record in output.records.split(split):
        yield from (_line(question) for question in pair_questions(output, record))


def _line(question: PairQuestion) -> dict[str, JSON]:
    messages: JSON = [
        {"role": "user", "content": question.asked},
        {"role": "assistant", "content": question.right},
    ]
    return {"messages": messages, "rejected_response": question.wrong, "images": [*question.images]}


MS_SWIFT = Format(
    "ms-swift",
    write,
    Takes(inputs=(1, 8)),
    rows="pairs",
    refuses=holds_no_mark("ms-swift"),
    about="ms-swift DPO: a judge that chooses between two edits",
)
