"""The formats that there are: each is documented, and each keeps the contract."""

import re
from pathlib import Path

import pytest

from dataflow.export.formats import FORMATS, Takes, format_of

PAGE = (Path(__file__).parents[3] / "docs/export.md").read_text(encoding="utf-8")
ROWS = {
    name: [cell.strip() for cell in cells.split("|")]
    for names, cells in re.findall(r"^\| ((?:`[a-z0-9-]+`(?:, )?)+) \|(.*)\|$", PAGE, re.MULTILINE)
    for name in re.findall(r"`([a-z0-9-]+)`", names)
}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_the_page_says_what_it_takes(name: str) -> None:
    takes: Takes = format_of(name).takes
    least, most = takes.inputs
    _, inputs, masks, wordings = ROWS[name]
    assert inputs == (str(most) if least == most else f"{least}-{most}")
    assert masks == ("yes" if takes.masks else "")
    assert wordings == ("one" if takes.captions == 1 else "all")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_it_is_named_as_it_is_found_and_says_who_reads_it(name: str) -> None:
    form = format_of(name)
    assert form.name == name
    assert form.about
