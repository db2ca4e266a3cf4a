"""Keys and the first number of each, however many there are."""

import random

from dataflow.core.key_table import KeyTable


def test_a_key_keeps_the_number_that_was_put_first() -> None:
    table = KeyTable(numbered=True)
    assert table.get(7) is None
    assert [table.put(7, 3), table.put(7, 9), table.put(8, 0)] == [None, 3, None]
    assert (table.get(7), table.get(8), table.get(9)) == (3, 0, None)


def test_without_numbers_it_tells_new_keys_from_known_ones() -> None:
    table = KeyTable()
    assert [table.put(key) for key in (1, 2, 1, 2, 3)] == [None, None, 0, 0, None]
    assert (table.get(3), table.get(4)) == (0, None)


def test_nothing_is_lost_while_the_table_grows_and_keys_want_one_place() -> None:
    chance = random.Random(1)
    keys = [chance.randrange(1, 1 << 64) for _ in range(20_000)]
    keys += [(1 << 40) + low for low in range(1000)]  # alike in all bits that say where a key goes
    keys += [(1 << 64) - 1, 1]
    table, known = KeyTable(numbered=True), dict[int, int]()
    for number, key in enumerate(keys + keys[::3]):
        assert table.put(key, number) == known.get(key)
        known.setdefault(key, number)
    assert all(table.get(key) == number for key, number in known.items())
    assert not [key for key in (chance.randrange(1, 1 << 64) for _ in range(1000)) if table.get(key) is not None]
