"""What the names of licences allow."""

import pytest

from dataflow.export.licences import FOR_NO_SALE, FORBIDDEN, FREE, UNKNOWN, stand_of


@pytest.mark.parametrize(
    ("licence", "stand"),
    [
        ("CC0", FREE),
        ("public domain", FREE),
        ("CC-BY-SA-4.0", FREE),
        ("https://unsplash.com/license", FREE),
        ("apache-2.0", FREE),
        ("CC BY-NC 2.0", FOR_NO_SALE),
        ("cc-by-nc-sa-4.0", FOR_NO_SALE),
        ("Non Commercial research only", FOR_NO_SALE),
        ("CC-BY-ND-4.0", FORBIDDEN),
        ("cc by-nc-nd 3.0", FORBIDDEN),
        ("All rights reserved", FORBIDDEN),
        ("", UNKNOWN),
        ("unknown", UNKNOWN),
    ],
)
def test_what_a_licence_allows(licence: str, stand: str) -> None:
    assert stand_of(licence) == stand
