"""How many rows of each operation came through, with those that the step's side output of rejected rows holds."""

from pathlib import Path

from dataflow.export import export
from dataflow.export.survival import Survival
from tests.kit.exports import cache_of, card_of, row, section


def test_the_card_says_how_many_rows_of_each_operation_came_through(tmp_path: Path) -> None:
    rows = [row(tmp_path, number) for number in range(4)]  # recolour and remove by turns
    failed = {**row(tmp_path, 4), "edited_images": []}
    rejected = [row(tmp_path, number, verdict={"accepted": False}) for number in (5, 7, 9)]
    export(cache_of(tmp_path / "cache", [*rows, failed], rejected=rejected), "hf", tmp_path / "out")
    lines = section(card_of(tmp_path / "out"), "Survival of each operation").splitlines()
    assert "| remove | 5 | 2 | 3 | 0 | 40% | 2 |" in lines
    assert "| recolour | 3 | 2 | 0 | 1 | 100% | 2 |" in lines


def test_what_nobody_rejected_and_did_not_fail_is_accepted() -> None:
    assert Survival(rows=9, rejected=3, failed=2).accepted == 4


def test_an_export_of_pairs_alone_knows_no_survival(tmp_path: Path) -> None:
    one, other = row(tmp_path, 1), row(tmp_path, 2)
    verdicts = [{"accepted": True}, {"accepted": False}]
    pair = {**one, "edited_images": [*one["edited_images"], *other["edited_images"]], "verdict": {"verdicts": verdicts}}
    export(cache_of(tmp_path / "cache", [one], pairs=[pair]), "simpletuner-dpo", tmp_path / "out")
    assert "| operation |" not in section(card_of(tmp_path / "out"), "Survival of each operation")
