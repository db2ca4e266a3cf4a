"""Ids: the same in every process, changed by what is asked and by nothing else."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Answer, Job, Request, Turn, digest_fingerprint, digest_request, salt_twin

PRINT = digest_fingerprint({"model": "m", "sampling": {"b": 2, "a": 1}})
IMAGES = {"/a.png": "aa", "/b.png": "bb", "/copy-of-a.png": "aa"}
REQUEST = Request("make it red", ("/a.png", "/b.png"), turns=(Turn("system", "be kind", ("/b.png",)),))


def made(request: Request, fingerprint: bytes = PRINT, twin: int = 0) -> str:
    return salt_twin(digest_request(request, fingerprint, IMAGES), twin)


def test_id_is_32_hex_digits_and_the_same_in_another_process() -> None:
    code = (
        "from tests.core.test_records import *\n"
        "print(made(REQUEST, digest_fingerprint({'sampling': {'a': 1, 'b': 2}, 'model': 'm'})), made(REQUEST, twin=3))"
    )
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert other == [made(REQUEST), made(REQUEST, twin=3)]
    assert len(bytes.fromhex(made(REQUEST))) == 16


@pytest.mark.parametrize("images", ["/a.png", (Path("/a.png"),)])
def test_pictures_of_a_request_are_paths_as_text(images: Any) -> None:
    with pytest.raises(
        TypeError, match=r"Request\(images=...\) is .*: give a tuple of texts, such as \(str\(path\),\)"
    ):
        Request("make it red", images)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "make it blue"},
        {"images": ("/b.png", "/a.png")},
        {"images": ("/a.png",)},
        {"makes": "text"},
        {"turns": ()},
        {"turns": (Turn("user", "be kind", ("/b.png",)),)},
        {"turns": (Turn("system", "be rude", ("/b.png",)),)},
        {"turns": (Turn("system", "be kind"),)},
        {"size": (512, 512)},
        {"seed": 0},
        {"repeat": 1},
        {"mask": "/a.png"},
    ],
)
def test_everything_asked_changes_the_id(change: dict[str, object]) -> None:
    assert made(replace(REQUEST, **change)) != made(REQUEST)  # type: ignore[arg-type]


def test_a_picture_counts_by_its_content_and_the_worker_by_its_fingerprint() -> None:
    assert made(replace(REQUEST, images=("/copy-of-a.png", "/b.png"))) == made(REQUEST)
    assert made(replace(REQUEST, worker="other")) == made(REQUEST)
    assert made(REQUEST, digest_fingerprint({"model": "n"})) != made(REQUEST)


def test_text_does_not_slip_from_one_field_into_the_next() -> None:
    one = Request("a", turns=(Turn("user", "b"), Turn("user", "c")))
    other = Request("a", turns=(Turn("user", "b,c"),))
    assert made(one) != made(other)


def test_twins_get_ids_of_their_own_and_the_first_keeps_the_plain_one() -> None:
    ids = [made(REQUEST, twin=twin) for twin in range(300)]
    assert len(set(ids)) == 300
    assert ids[0] == digest_request(REQUEST, PRINT, IMAGES).hex()


def test_seed_is_the_users_or_31_bits_of_the_id() -> None:
    assert Job("f" * 32, Request("p")).seed == 2**31 - 1
    assert Job("f" * 32, Request("p", seed=7)).seed == 7


def test_all_images_lists_those_of_earlier_turns_first() -> None:
    assert REQUEST.all_images() == ("/b.png", "/a.png", "/b.png")


def test_a_schema_is_in_the_id_only_where_there_is_one() -> None:
    without, with_one = Request("a", makes="text"), Request("a", makes="text", schema='{"type":"object"}')
    assert digest_request(without, b"", {}).hex() == "0cda7dc56e7873ed4468f8553bd01c56"
    assert digest_request(with_one, b"", {}) != digest_request(without, b"", {})


def test_a_mask_is_in_the_id_by_its_content_and_only_where_there_is_one() -> None:
    plain = Request("a", ("/a.png",))
    masked, copied, other = (replace(plain, mask=path) for path in ("/a.png", "/copy-of-a.png", "/b.png"))
    assert made(plain) == "0c9d5d4f53d98e35c56e4563f9bfa0d2"
    assert made(masked) == made(copied) != made(other)
    assert len({made(each) for each in (plain, masked, other, replace(plain, images=("/a.png", "/a.png")))}) == 4
    assert made(replace(masked, schema="{}")) != made(masked)
    assert (masked.all_images(), other.all_files()) == (("/a.png",), ("/a.png", "/b.png"))
    assert list(Job("f" * 32, other).pictures()) == ["/a.png", "/b.png"]


def test_labels_are_in_the_id_only_where_there_are_some() -> None:
    plain = Request("a", ("/a.png",))
    labelled, otherwise = (replace(plain, labels=(each,)) for each in ("Given:", "Edited:"))
    assert made(plain) == "0c9d5d4f53d98e35c56e4563f9bfa0d2"
    assert len({made(each) for each in (plain, labelled, otherwise)}) == 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"pictures": ("a.png",)}, r"holds 'a\.png': give what ImageIO\(save_path\)\.save returns"),
        ({"text": b"words"}, "is bytes: give a str"),
        ({"error": "too late"}, "is 'too late': give a Failure"),
    ],
)
def test_an_answer_of_other_things_is_refused_where_it_is_made(fields: dict[str, object], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Answer(**fields)  # type: ignore[arg-type]
