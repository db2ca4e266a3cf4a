"""Which rows a user may want."""

from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import ConfigError
from dataflow.operators.core_text import EditPromptGenerator
from dataflow.operators.core_text.wanted import Wanted, shares_of
from dataflow.serving.template_writer import TemplateWriter
from dataflow.taxonomy.taxonomy import read_taxonomy, shipped_taxonomy
from tests.taxonomy.test_taxonomy import ONE

TAXONOMY = shipped_taxonomy()


def test_a_limit_makes_fewer_rows_and_never_more() -> None:
    wanted = Wanted(TAXONOMY, TAXONOMY.shares(), ("en",), 50, 0, 4, None, 0.9)
    assert [wanted.limited(limit).n for limit in (None, 10, 1_000)] == [50, 10, 50]


def test_of_several_pictures_only_their_operations_have_shares() -> None:
    several = shares_of(TAXONOMY, None, several=True)
    assert all(TAXONOMY.operations[name].most_pictures > 1 for name in several)
    assert sum(several.values()) == pytest.approx(1)
    assert shares_of(TAXONOMY, {"subjects": 3}, several=True) == {"subjects": 1}
    assert shares_of(TAXONOMY, None, several=False) == TAXONOMY.shares()


def test_a_mix_of_single_pictures_and_a_taxonomy_without_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mix has recolour, of one picture; of several: "):
        shares_of(TAXONOMY, {"recolour": 1, "subjects": 1}, several=True)
    (tmp_path / "own.yaml").write_text(ONE, encoding="utf-8")
    with pytest.raises(ConfigError, match="no operation with `pictures` above 1"):
        shares_of(read_taxonomy(tmp_path / "own.yaml"), None, several=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 0}, "n is 0"),
        ({"tries": 0}, "tries is 0"),
        ({"languages": ["fr"]}, "'fr'"),
        ({"languages": []}, "give one"),
    ],
)
def test_settings_that_cannot_be_right_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EditPromptGenerator(TemplateWriter(), **settings)


@pytest.mark.parametrize("wrong", [0, 1, 90])
def test_a_similarity_that_is_no_cosine_is_told(wrong: float) -> None:
    with pytest.raises(ConfigError, match=f"max_similarity is {wrong}"):
        EditPromptGenerator(TemplateWriter(), max_similarity=wrong)
