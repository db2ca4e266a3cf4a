"""What is said on the page is a line of the labels file; what is asked shows no number."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dataflow.calibration.labels import read_labels
from dataflow.errors import ConfigError, InputError
from dataflow.view.catalogue import Catalogue, Place
from dataflow.view.labelling import Labels, SampleOptions
from dataflow.view.shown import ShownColumns
from tests.kit.judged import STEP, judged_cache, row_of, verdict_of, write_rows


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with closing(Catalogue(judged_cache(tmp_path / "run"), STEP)) as opened:
        yield opened.read_all()


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    return Labels(tmp_path / "labels.jsonl")


def test_a_sample_names_pictures_and_words_and_no_number(catalogue: Catalogue, labels: Labels) -> None:
    sample = labels.sample(catalogue, SampleOptions(count=8))
    assert len(sample["showings"]) > 8, "some come twice"
    assert all(set(each) == {"place", "number", "before", "instruction", "said"} for each in sample["showings"])
    words = json.dumps(sample["showings"])
    assert not any(word in words for word in ("accepted", "score", "upper", "worth"))
    assert sample["then"] == f"dataflowmm calibrate {catalogue.cache_path} {labels.path}"
    assert not labels.path.exists(), "to ask writes nothing"


def test_what_is_said_stands_in_the_next_sample(catalogue: Catalogue, labels: Labels, tmp_path: Path) -> None:
    place = labels.sample(catalogue, SampleOptions(count=8))["showings"][2]["place"]
    labels.add_label(
        catalogue, SampleOptions(count=8), 2, {"place": place, "label": "no", "reasons": ["artefacts"], "seconds": 4.2}
    )
    (label,) = read_labels(labels.path)
    assert (label.label, label.reasons, label.seconds) == ("no", ("artefacts",), 4.2)
    assert label.sample is not None
    assert label.row.startswith(f"{STEP}.tries.jsonl:")
    said = {"label": "no", "reasons": ["artefacts"], "seconds": 4.2}
    again = Labels(labels.path).sample(catalogue, SampleOptions(count=8))["showings"]
    assert [each["said"] for each in again][:4] == [None, None, said, None]


@pytest.mark.parametrize(
    "said", [{}, {"label": "maybe"}, {"label": "no", "reasons": "all"}, {"label": "no", "seconds": -1}]
)
def test_what_is_no_label_is_not_written(catalogue: Catalogue, labels: Labels, said: dict[str, object]) -> None:
    with pytest.raises(InputError):
        labels.add_label(catalogue, SampleOptions(count=8), 0, said)
    with pytest.raises(LookupError):
        labels.add_label(catalogue, SampleOptions(count=8), 500, {"label": "no"})
    assert not labels.path.exists()


def test_a_decision_is_known_by_its_edit_until_it_is_withdrawn(catalogue: Catalogue, labels: Labels) -> None:
    place = Place(f"{STEP}.jsonl", 1)
    (edit,) = catalogue.row(place)["edited_images"]
    assert labels.by_hand(edit) == ""
    labels.decide(catalogue, place, 0, "reject")
    assert labels.by_hand(edit) == Labels(labels.path).by_hand(edit) == "reject"
    labels.decide(catalogue, place, 0, "withdrawn")
    assert labels.by_hand(edit) == ""
    with pytest.raises(InputError):
        labels.decide(catalogue, place, 0, "perhaps")
    with pytest.raises(LookupError):
        labels.decide(catalogue, place, 1, "reject")


def test_what_was_said_for_another_sample_counts_in_this_one_as_far_as_it_was_gone_through(
    catalogue: Catalogue, labels: Labels
) -> None:
    first, other = SampleOptions(count=8), SampleOptions(count=8, uniform=True)
    for at, each in enumerate(labels.sample(catalogue, first)["showings"]):
        labels.add_label(catalogue, first, at, {"place": each["place"], "label": "yes"})
    asked = [at for at, each in enumerate(labels.sample(catalogue, other)["showings"]) if each["said"] is None]
    assert 1 < len(asked) < len(labels.sample(catalogue, other)["showings"])

    def of_all() -> int:
        return sum(any(each.stratum == "all" for each in label.samples) for label in read_labels(labels.path))

    places = [each["place"] for each in labels.sample(catalogue, other)["showings"]]
    labels.add_label(catalogue, other, asked[0], {"place": places[asked[0]], "label": "no"})
    assert of_all() == asked[0] + 1
    for at in asked[1:]:
        labels.add_label(catalogue, other, at, {"place": places[at], "label": "no"})
    assert of_all() == len(labels.sample(catalogue, other)["showings"])
    assert sum(label.label == "no" for label in read_labels(labels.path)) == len(asked)


def test_a_label_for_a_row_that_has_become_another_is_refused(catalogue: Catalogue, labels: Labels) -> None:
    how = SampleOptions(count=16)
    place = labels.sample(catalogue, how)["showings"][0]["place"]
    tries = catalogue.cache_path / f"{STEP}.tries.jsonl"
    tries.write_text("".join(sorted(tries.read_text().splitlines(keepends=True), reverse=True)))
    with pytest.raises(LookupError, match="made anew"):
        labels.add_label(catalogue.read_all(), how, 0, {"place": place, "label": "no"})
    assert not labels.path.exists()
    at, place = next(
        (at, each["place"])
        for at, each in enumerate(labels.sample(catalogue, how)["showings"])
        if catalogue.row(place_of(each["place"]))["edited_images"][0].endswith("edit0_0.png")
    )
    labels.add_label(catalogue, how, at, {"place": place, "label": "no"})
    assert read_labels(labels.path)[0].path.endswith("edit0_0.png")


def place_of(text: str) -> Place:
    file, _, line = text.rpartition(":")
    return Place(file, int(line))


def test_edits_are_drawn_once_the_step_is_complete(catalogue: Catalogue, labels: Labels) -> None:
    tries = catalogue.cache_path / f"{STEP}.tries.jsonl"
    tries.rename(f"{tries}.part")
    with pytest.raises(ConfigError, match="still being made"):
        labels.sample(catalogue.read_all(), SampleOptions(count=8))


def test_edits_of_a_column_of_ones_own_are_drawn(tmp_path: Path, labels: Labels) -> None:
    rows = [row_of(tmp_path, number) for number in range(3)]
    named = [{"images": row["images"], "result": row["edited_images"], "said": verdict_of(8)} for row in rows]
    write_rows(tmp_path / f"{STEP}.jsonl", named)
    with closing(Catalogue(tmp_path, STEP, ShownColumns(verdict="said"))) as catalogue:
        assert len(labels.sample(catalogue.read_all(), SampleOptions(count=3))["showings"]) >= 3
