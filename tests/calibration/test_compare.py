"""Two judges are compared on the labels of pictures that both have judged."""

from pathlib import Path

import pytest

from dataflow.calibration.compare import compare_judges
from dataflow.calibration.labels import read_labels
from dataflow.errors import ConfigError
from tests.calibration.judged import LOW, label, second_judge, tries_of, verdict
from tests.kit.flow import write_rows


def test_a_judge_whose_labels_another_drew_promises_nothing_and_equal_ones_are_not_told_apart(tmp_path: Path) -> None:
    first = tries_of(tmp_path, LOW)
    second = second_judge(tmp_path, LOW, 3.0)
    compared = compare_judges(read_labels(label(first)), (first, second))
    assert [each.search.found is not None for each in compared.judges] == [True, False]
    assert compared.agrees == (0, 0, 0)
    assert compared.labels == 100


def test_judges_without_a_label_in_common_are_refused(tmp_path: Path) -> None:
    first = tries_of(tmp_path, LOW)
    write_rows(tmp_path / "other.jsonl", [{"edited_images": [str(tmp_path / "x.png")], "verdict": verdict(9)}])
    with pytest.raises(ConfigError, match="no labelled picture was judged in"):
        compare_judges(read_labels(label(first)), (first, tmp_path / "other.jsonl"))
