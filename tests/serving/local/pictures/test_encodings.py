"""Encodings of prompts: a call is split into prompts, and their encodings are joined into a call's again."""

import torch

from dataflow.serving.backends import Join
from dataflow.serving.local.pictures.encodings import (
    as_the_pipeline_takes,
    in_one_call,
    join,
    keep,
    key_of,
    one_by_one,
    split,
)


def test_a_call_of_several_prompts_is_split_into_one_for_each() -> None:
    calls = one_by_one({"prompt": ["a", "b"], "negative_prompt": ["", "no"], "max_sequence_length": 9, "layers": [1]})
    assert calls == [
        {"prompt": ("a",), "negative_prompt": ("",), "max_sequence_length": 9, "layers": (1,)},
        {"prompt": ("b",), "negative_prompt": ("no",), "max_sequence_length": 9, "layers": (1,)},
    ]
    assert as_the_pipeline_takes(calls[0])["prompt"] == ["a"]
    assert in_one_call(calls) | {"layers": [1]} == {
        "prompt": ["a", "b"],
        "negative_prompt": ["", "no"],
        "max_sequence_length": 9,
        "layers": [1],
    }


def test_the_key_is_all_that_was_given_in_any_order() -> None:
    calls = [
        one_by_one({"prompt": "a", "max_sequence_length": 9}),
        one_by_one({"max_sequence_length": 9, "prompt": ["a"]}),
        one_by_one({"prompt": "a", "max_sequence_length": 10}),
    ]
    same, turned, longer = (key_of(call[0]) for call in calls if call)
    assert same == turned != longer


def test_a_call_with_what_belongs_to_no_single_prompt_is_not_split() -> None:
    assert one_by_one({"prompt": ["a", "b"], "prompt_embeds": torch.zeros(2, 3)}) is None
    assert one_by_one({"prompt": None}) is None
    assert one_by_one({"prompt": []}) is None


def test_what_is_split_and_joined_is_what_the_call_returned() -> None:
    joins: tuple[Join, ...] = ("rows", "lists", "shared")
    outputs = (torch.arange(6.0).view(2, 3), [torch.ones(1), torch.zeros(2)], torch.ones(4))
    parts = split(joins, outputs, 2)
    assert parts is not None
    rows, lists, shared = join(joins, [keep(part) for part in parts])
    assert torch.equal(rows, outputs[0])
    assert [each.tolist() for each in lists] == [[1.0], [0.0, 0.0]]
    assert torch.equal(shared, outputs[2])


def test_outputs_of_another_form_are_not_split() -> None:
    assert split(("rows",), torch.zeros(2, 3), 2) is None
    assert split(("rows",), (torch.zeros(3, 3),), 2) is None
    assert split(("padded", "mask"), (torch.zeros(2, 3, 1), None), 2) is None


def test_prompts_of_different_lengths_are_padded_and_masked() -> None:
    short, long = torch.full((1, 2, 1), 5.0), torch.full((1, 3, 1), 7.0)
    padded, mask = join(("padded", "mask"), [keep((short, None)), keep((long, torch.ones(1, 3)))])
    assert padded[..., 0].tolist() == [[5.0, 5.0, 0.0], [7.0, 7.0, 7.0]]
    assert mask.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert join(("padded", "mask"), [keep((long, None))] * 2)[1] is None


def test_the_size_of_an_encoding_is_that_of_its_tensors() -> None:
    kept = keep((torch.zeros(1, 4), [torch.zeros(2, dtype=torch.bfloat16)], None))
    assert kept.size == 4 * 4 + 2 * 2
    assert kept.outputs[2] is None
