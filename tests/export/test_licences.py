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
        (" ", UNKNOWN),
        ("N/A", UNKNOWN),
        ("nan", UNKNOWN),
        ("6", UNKNOWN),
        ("-", UNKNOWN),
        ("not for commercial use", FOR_NO_SALE),
        ("No commercial use", FOR_NO_SALE),
        ("editorial use only", FOR_NO_SALE),
        ("for personal use", FOR_NO_SALE),
        ("禁止商用", FOR_NO_SALE),
        ("仅供学术研究使用", FOR_NO_SALE),
        ("署名-非商业性使用", FOR_NO_SALE),
        ("署名-禁止演绎", FORBIDDEN),
        ("版权所有", FORBIDDEN),
        ("© 2024 Someone", FORBIDDEN),
        ("CC0; CC-BY-ND", FORBIDDEN),
        ("CC BY 4.0", FREE),
        ("Flickr-no-known-copyright-restrictions", FREE),
        ("openrail", FREE),
    ],
)
def test_what_a_licence_allows(licence: str, stand: str) -> None:
    assert stand_of(licence) == stand
