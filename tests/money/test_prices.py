"""The price table: what is in it, how a model is found in it, and what it makes of tokens and pictures."""

import re
from datetime import date
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.money.prices import SHIPPED, Price, read_prices
from dataflow.money.usage import Used


def test_the_shipped_table_has_a_date_bounds_and_a_source_above_each_price() -> None:
    table = read_prices(None)
    assert date.fromisoformat(table.date) >= date(2026, 11, 1)
    assert table.currency == "USD"
    for model, price in table.layers[0].prices.items():
        assert not price.unbounded(most_output=None), model
    text = SHIPPED.read_text(encoding="utf-8")
    comments = re.findall(r"(?:^  # .*\n)+", text, re.MULTILINE)
    assert all("https://" in comment or "The same page" in comment for comment in comments)
    assert text[text.index("models:") :].startswith("models:\n  # https://")


@pytest.mark.parametrize("form", ["{}", "google/{}", "models/{}", "GOOGLE/{}", " {} "])
def test_a_model_is_found_as_gateways_spell_it(form: str) -> None:
    price = read_prices(None).price(form.format("gemini-2.5-flash-image"))
    assert price is not None
    assert price.image_output == 30.0


@pytest.mark.parametrize(
    ("model", "tokens", "cost"),
    [
        ("google/gemini-3.1-flash-image", 1120, 67_200_000),  # "$0.067 per 1K image"
        ("google/gemini-3-pro-image", 1120, 134_400_000),  # "$0.134 per 1K/2K image"
        ("google/gemini-2.5-flash-image", 1290, 38_700_000),  # "$0.039 per image"
    ],
)
def test_a_picture_of_nano_banana_costs_what_its_page_says(model: str, tokens: int, cost: int) -> None:
    price = read_prices(None).price(model)
    assert price is not None
    used = Used(output=tokens, image_output=tokens, counted=True)
    assert price.cost(used, 1, draws=True) == cost


def test_other_models_are_not_guessed() -> None:
    assert read_prices(None).price("gpt-4o-2027-01-01") is None


def test_the_users_prices_go_first_and_patterns_last(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "date: 2027-01-02\nmodels:\n  'relay/*': {image: 0.02}\n  'relay/nano*': {image: 0.03}\n"
        "  relay/nano-1: {image: 0.04}\n  gpt-4o: {free: true}\n",
        encoding="utf-8",
    )
    table = read_prices(path)
    assert table.date == "2027-01-02"
    assert [table.price(f"relay/{name}").image for name in ("x", "nano-2", "nano-1")] == [0.02, 0.03, 0.04]
    assert table.price("openai/gpt-4o") == Price(free=True)
    assert table.price("gpt-image-1-mini") == read_prices(None).price("gpt-image-1-mini")


def test_prices_in_another_currency_stand_alone() -> None:
    table = read_prices({"relay": {"image": 0.2}})
    assert table.price("gpt-4o") is not None
    path_free = read_prices({"relay": {"free": True}})
    assert path_free.price("relay") == Price(free=True)


def test_a_table_in_yuan_knows_no_dollar_prices(tmp_path: Path) -> None:
    (tmp_path / "yuan.yaml").write_text("currency: cny\nmodels: {nano: {image: 0.3}}\n", encoding="utf-8")
    table = read_prices(tmp_path / "yuan.yaml")
    assert (table.currency, table.price("gpt-4o")) == ("CNY", None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("models: [", "is no YAML"),
        ("gpt-4o: {input: 1}", "no price table"),
        ("models: {a: {inputs: 1}}", "'inputs'; known are input, cached_input"),
        ("models: {a: {input: -1}}", "says input: -1"),
        ("models: {a: {input: cheap}}", "says input: 'cheap'; give a number"),
        ("models: {a: {free: 1}}", "true or false"),
        ("models: {a: 0.5}", "is 0.5: give {input: 2.50"),
        ("models: {a: {most_input: 100}}", "names no price"),
        ("models: {a: {image: 1}}\nmodel: {}", "has 'model'"),
    ],
)
def test_a_broken_table_says_where_and_what(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        read_prices(path)
    assert str(path) in str(caught.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone.yaml cannot be read: No such file"):
        read_prices(tmp_path / "gone.yaml")


PRICE = Price(
    input=2.0, cached_input=0.5, image_input=3.0, output=10.0, image_output=40.0, most_input=1000, most_output=100
)


@pytest.mark.parametrize(
    ("used", "pictures", "draws", "cost"),
    [
        (Used(100, 40, 30, 50, 20, counted=True), 1, True, 30 * 2 + 40 * 0.5 + 30 * 3 + 30 * 10 + 20 * 40),
        (Used(100, output=50, counted=True), 1, True, 100 * 3 + 50 * 40),  # not told apart: the dearer rate
        (Used(100, output=50, counted=True), 0, False, 100 * 3 + 50 * 10),
    ],
)
def test_tokens_are_priced_by_what_they_are(used: Used, pictures: int, draws: bool, cost: float) -> None:
    assert PRICE.cost(used, pictures, draws=draws) == round(cost * 1000)  # billionths, for prices of a million


def test_what_nobody_told_is_not_invented() -> None:
    assert PRICE.cost(Used(), 1, draws=True) is None
    assert Price(image=0.04).cost(Used(), 2, draws=True) == 80_000_000


def test_the_most_a_request_can_cost() -> None:
    def most(price: Price, text: int = 44, pictures: int = 0, **told: object) -> int:
        return price.most(text, pictures, **{"draws": True, "most_output": None, "images": 1, **told})  # type: ignore[arg-type]

    assert most(PRICE) == (300 * 2 + 100 * 40) * 1000
    assert most(PRICE, pictures=1) == (1000 * 3 + 100 * 40) * 1000  # a picture of unknown size: the whole window
    assert most(PRICE, text=10**6, draws=False) == (1000 * 2 + 100 * 10) * 1000
    assert most(PRICE, most_output=10) == (300 * 2 + 10 * 40) * 1000
    assert most(Price(image=0.04, most_images=2), images=4) == 160_000_000
    assert most(Price(image=0.04), draws=False) == 0
    drawing = Price(output=2.0, image_output=30.0, most_output=100, most_image_output=1000)
    assert most(drawing, images=2) == 2 * (100 * 2 + 1000 * 30) * 1000
    assert most(PRICE, images=4, draws=False) == (300 * 2 + 4 * 100 * 10) * 1000  # each text may be the longest
    assert most(drawing, most_output=500) == 500 * 30 * 1000


def test_a_bound_that_is_missing_is_named() -> None:
    assert Price(input=1.0, output=1.0, most_output=5).unbounded(most_output=None) == "most_input"
    assert Price(input=1.0, output=1.0, most_input=5).unbounded(most_output=None) == "most_output"
    assert Price(input=1.0, output=1.0, most_input=5).unbounded(most_output=7) == ""
    assert Price(image=0.1).unbounded(most_output=None) == ""
