"""What the page gets of a row is plain, whatever the row holds."""

import json
from contextlib import closing
from pathlib import Path

from dataflow.gates.measured import Measures
from dataflow.utils.row_json import dump_value
from dataflow.view.cards import card_of, detail_of
from dataflow.view.catalogue import Catalogue, Place
from tests.kit.judged import STEP, row_of, verdict_of, write_rows

FIGURES = {"coarse": 1.0, "median": 0.0, "changed": 0.1, "hot": 0.0, "aspect": 0.0, "turn": 0.0, "corner": 0.0}
MEASURES = {**FIGURES, "shift": [0, 0], "zoom": [0, 0], "cast": [0, 0, 0], "agree": 1, "tiles": 9, "border": 0.0}
MEASURES |= {"sharpness": None, "outside": 0.5}
PLACE = Place(f"{STEP}.jsonl", 1)


def opened(folder: Path) -> Catalogue:
    return Catalogue(folder, STEP).read_all()


def test_a_verdict_of_odd_values_has_none(tmp_path: Path) -> None:
    odd: dict[str, object] = {"a": [{}]}
    names = ("accepted", "score", "measures", "try", "candidate")
    lame = [MEASURES | {"shift": 3}, MEASURES | {"corner": "x"}, MEASURES | {"cast": [None]}, {"changed": 1}]
    verdicts = [{**verdict_of(5), **dict.fromkeys(names, odd)}] + [{**verdict_of(5), "measures": each} for each in lame]
    write_rows(tmp_path / f"{STEP}.jsonl", [row_of(tmp_path, 0, len(verdicts), verdict=verdicts)])
    with closing(opened(tmp_path)) as catalogue:
        first, *others = card_of(catalogue, PLACE)["after"]
    assert [first[name] for name in names] == [None] * 5
    assert [each["measures"] for each in others] == [None] * 4


def test_what_gates_measure_is_known(tmp_path: Path) -> None:
    write_rows(tmp_path / f"{STEP}.jsonl", [row_of(tmp_path, 0, verdict=verdict_of(5, measures=MEASURES))])
    with closing(opened(tmp_path)) as catalogue:
        (edit,) = json.loads(dump_value(card_of(catalogue, PLACE)["after"]))
    assert edit["measures"] == MEASURES
    assert set(edit["measures"]) == set(Measures.__dataclass_fields__)


def test_a_row_stands_there_with_every_digit_and_a_deep_one_says_that_it_is_deep(tmp_path: Path) -> None:
    write_rows(tmp_path / f"{STEP}.jsonl", [row_of(tmp_path, 0, digits=12345678901234567890)])
    deep = json.dumps(row_of(tmp_path, 1) | {"deep": 0}).replace('"deep": 0', '"deep": ' + "[" * 1010 + "]" * 1010)
    with (tmp_path / f"{STEP}.jsonl").open("a") as file:
        file.write(deep + "\n")
    with closing(opened(tmp_path)) as catalogue:
        assert '"digits": 12345678901234567890' in detail_of(catalogue, PLACE)["row"]
        detail = detail_of(catalogue, Place(PLACE.file, 2))
        assert detail["row"] == "this row is nested too deeply to be shown"
        assert dump_value(detail)
