"""What the names of licences allow."""

import pytest

from dataflow.export.licences import FORBIDDEN, FREE, NOT_FOR_SALE, UNKNOWN, terms_of


@pytest.mark.parametrize(
    ("licence", "terms"),
    [
        ("CC0", FREE),
        ("public domain", FREE),
        ("CC-BY-SA-4.0", FREE),
        ("https://unsplash.com/license", FREE),
        ("apache-2.0", FREE),
        ("CC BY-NC 2.0", NOT_FOR_SALE),
        ("cc-by-nc-sa-4.0", NOT_FOR_SALE),
        ("Non Commercial research only", NOT_FOR_SALE),
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
        ("not for commercial use", NOT_FOR_SALE),
        ("No commercial use", NOT_FOR_SALE),
        ("editorial use only", NOT_FOR_SALE),
        ("for personal use", NOT_FOR_SALE),
        ("禁止商用", NOT_FOR_SALE),
        ("仅供学术研究使用", NOT_FOR_SALE),
        ("署名-非商业性使用", NOT_FOR_SALE),
        ("署名-禁止演绎", FORBIDDEN),
        ("版权所有", FORBIDDEN),
        ("© 2024 Someone", FORBIDDEN),
        ("CC0; CC-BY-ND", FORBIDDEN),
        ("CC BY 4.0", FREE),
        ("Flickr-no-known-copyright-restrictions", FREE),
        ("openrail", FREE),
    ],
)
def test_what_a_licence_allows(licence: str, terms: str) -> None:
    assert terms_of(licence) == terms
