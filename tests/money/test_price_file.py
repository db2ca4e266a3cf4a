"""Price files that were made to break their reader end in one line, soon, and in little memory."""

import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.money.prices import read_prices

_LETTERS = "abcdefghij"


def _aliases(mark: str = "[") -> str:
    """Four hundred bytes that stand for ten thousand million words."""
    parts = ["&a [" + ",".join("x" * 10) + "]"]
    parts += [f"&{name} [" + ",".join([f"*{before}"] * 10) + "]" for before, name in pairwise(_LETTERS)]
    return "[" + ", ".join(parts) + "]"


def _merges() -> str:
    lines = ["a: &a {" + ", ".join(f"{name}: 1" for name in _LETTERS) + "}"]
    lines += [f"{name}: &{name} {{<<: [{', '.join([f'*{old}'] * 10)}]}}" for old, name in pairwise(_LETTERS)]
    return "models:\n  " + "\n  ".join(lines) + "\n"


HOSTILE = {
    "a date that is none": ("date: 2026-13-01\nmodels: {m: {image: 1}}\n", ":1 is no YAML: '2026-13-01' is no time"),
    "many digits": ("models: {m: {image: " + "9" * 5000 + "}}\n", "is no int"),
    "many digits of base 16": ("models: {m: {image: 0x" + "9" * 5000 + "}}\n", "image: a int too long to show;"),
    "brackets": ("models: " + "[" * 3000 + "]" * 3000 + "\n", "nested too deeply"),
    "braces": ("models: " + "{a: " * 3000 + "}" * 3000 + "\n", "nested too deeply"),
    "aliases as a price": (f"models: {{m: {{input: {_aliases()}}}}}\n", "the price of m says input: [["),
    "aliases as a model": (f"models: {{m: {_aliases()}}}\n", "the price of m is [["),
    "aliases as a date": (f"date: {_aliases()}\nmodels: {{m: {{image: 1}}}}\n", "says date: [["),
    "aliases as a currency": (f"currency: {_aliases()}\nmodels: {{m: {{image: 1}}}}\n", "says currency: [["),
    "a list that holds itself": ("models: {m: {input: &a [*a]}}\n", "the price of m says input: [[[...]]]"),
    "merges": (_merges(), "p.yaml"),
    "a number in words": ("models: {m: {image: !!float much}}\n", "'much' is no float"),
    "an empty number": ("models: {m: {image: !!int ''}}\n", "'' is no int"),
    "neither true nor false": ("models: {m: {free: !!bool 17}}\n", "'17' is no bool"),
    "a time in words": ("date: !!timestamp soon\nmodels: {m: {image: 1}}\n", "'soon' is no timestamp"),
    "a python object": ("models: {m: !!python/object/apply:os.getcwd []}\n", "could not determine a constructor"),
    "a price without end": ("models: {m: {image: .inf}}\n", "image: inf; give a number from 0 to 1,000,000,000"),
    "a price that is no number": ("models: {m: {image: .nan}}\n", "image: nan; give a number"),
    "a price of nobody": ("models: {m: {image: 1.0e+300}}\n", "image: 1e+300; give a number"),
    "a bound of nothing": ("models: {m: {image: 1, most_input: 1.0e+30}}\n", "most_input: 1e+30; give a number"),
    "a model without a name": ("models: {null: {image: 1}}\n", "a model named None"),
    "merges of many fields": (
        "a: &a {" + ", ".join(f"f{n}: 1" for n in range(1100)) + "}\nmodels: {m: {<<: *a}}\n", "too many merged fields"
    ),
    "a long field": ("models: {m: {" + "x" * 1000 + ": 1}}\n", "xxx...xxx"),
    "control characters": ("models: {m: \x07}\n", "special characters are not allowed"),
    "a large file": ("models: {}\n" + "#" * (300 << 10), "has more than 256 KiB"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_ends_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text, encoding="utf-8")
    began = time.monotonic()
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        read_prices(path)
    assert time.monotonic() - began < 5
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600 + len(str(path))


def test_aliases_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(HOSTILE["aliases as a price"][0], encoding="utf-8")
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "from dataflow.errors import ConfigError\nfrom dataflow.money.prices import read_prices\n"
        "try: read_prices(sys.argv[1])\nexcept ConfigError: print('told')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("told\n", "")


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="is no file: give the path of a YAML file"):
            read_prices(path)
    with pytest.raises(ConfigError, match="embedded null"):
        read_prices("prices\0.yaml")


def test_anchors_merges_and_underscores_of_a_plain_file_go_on_working(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "date: 2026-11-23\nmodels:\n  a: &a {input: 1, output: 2, most_input: 65_536}\n  b: *a\n"
        "  c: {<<: *a, output: 3}\n  7: {free: yes}\n",
        encoding="utf-8",
    )
    table = read_prices(path)
    prices = [table.price(name) for name in "abc7"]
    assert [price.output for price in prices if price] == [2, 2, 3, None]
    assert prices[0] is not None
    assert (table.date, prices[0].most_input) == ("2026-11-23", 65536)
