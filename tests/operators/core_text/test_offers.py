"""What is offered for photographs: by the mix and their place alone, and each operation its turn."""

from collections import Counter

from dataflow.operators.core_text.offers import Offers
from dataflow.taxonomy.taxonomy import shipped_taxonomy

SHARES = {
    name: share for name, share in shipped_taxonomy().shares().items()
    if shipped_taxonomy().operations[name].most_pictures == 1
}  # fmt: skip


def test_a_place_is_offered_the_same_in_whatever_order_it_is_asked_for() -> None:
    forwards, backwards = Offers(SHARES), Offers(SHARES)
    said = [forwards.offered(place) for place in range(300)]
    assert [backwards.offered(place) for place in reversed(range(300))] == said[::-1]


def test_turns_follow_the_mix() -> None:
    offers = Offers({"move": 2.0, "zoom": 1.0, "era": 1.0})
    assert Counter(offers.offered(place)[0] for place in range(400)) == {"move": 200, "zoom": 100, "era": 100}


def test_every_second_place_of_an_operation_offers_it_alone() -> None:
    offers = Offers(SHARES)
    by: dict[str, list[int]] = {name: [] for name in SHARES}
    for place in range(2_000):
        names = offers.offered(place)
        by[names[0]].append(len(names))
        assert len({*names}) == len(names)
    for widths in by.values():
        assert {*widths[1::2]} <= {1}
        assert {*widths[::2]} <= {6}


def test_a_small_mix_is_offered_whole() -> None:
    assert {*Offers({"move": 1.0, "zoom": 1.0}).offered(0)} == {"move", "zoom"}
    assert Offers({"move": 1.0}).offered(7) == ("move",)
