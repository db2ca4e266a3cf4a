"""Labels find the edits that they were given for, and stand for as many edits as they were drawn from."""

from pathlib import Path

import pytest

from dataflow.calibration.joining import join
from dataflow.calibration.labels import Label, read_labels
from dataflow.calibration.sampling import draw_sample
from dataflow.utils.files import sha256_of_file
from tests.calibration.judged import LOW, label, tries_of


def test_a_label_is_of_the_edit_that_was_shown_where_another_has_the_same_content(tmp_path: Path) -> None:
    path = tries_of(tmp_path, [4.0, 9.0])
    for number in range(2):
        (tmp_path / f"images/{number}.png").write_bytes(b"the same")
    content = sha256_of_file(str(tmp_path / "images/0.png"))
    (found,) = join([Label(content, "yes", path="/elsewhere/images/1.png")], path).labelled
    assert found.edit.lowest == 9


def test_an_enlarged_sample_gives_labels_made_before_its_own_weight(tmp_path: Path) -> None:
    path = tries_of(tmp_path, LOW)
    labels = read_labels(label(path, count=50))
    more = draw_sample(path, count=100).showings
    known = {each.picture for each in labels}
    labels += [Label(each.picture, "yes", sample=each.sample) for each in more if each.picture not in known]
    weights = {each.label.sample and each.label.sample.stratum: each.weight for each in join(labels, path).labelled}
    assert weights == {"upper": pytest.approx(200 / 80), "lower": pytest.approx(100 / 20)}
