"""The models of providers that we know: the file, what it says of a name, and where else a model is named."""

import os
import re
import runpy
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from dataflow.money.prices import read_prices
from dataflow.serving.api.models import Model, default_model, known_model, replacement
from dataflow.serving.api.models import _read as read

ROOT = Path(__file__).parents[3]
DAY = date(2026, 11, 29)  # on which the file was last read against the providers' pages
CHECK = runpy.run_path(str(ROOT / ".ci" / "check_models.py"))


def test_every_model_that_goes_has_a_day_and_a_successor_that_stays_longer() -> None:
    models = read().models
    assert len(models) > 15
    for name, model in models.items():
        assert model.makes in ("image", "text"), name
        assert (model.last_day is None) == (model.successor == ""), name
        if model.last_day is not None:
            successor = models[model.successor]
            assert successor.makes == model.makes, name
            assert not successor.is_gone(model.last_day), name


def test_the_defaults_are_known_and_priced() -> None:
    for makes in ("image", "text"):
        name = default_model(makes)
        assert known_model(name).makes == makes
        assert read_prices(None).price(name) is not None
    assert read_prices(None).price(default_model("image")).about_image


def test_a_retired_model_keeps_the_price_that_old_caches_were_paid_at() -> None:
    models = read().models
    gone = [name for name, model in models.items() if model.makes == "image" and model.is_gone(DAY)]
    assert len(gone) == 4
    assert all(read_prices(None).price(name) for name in gone)


@pytest.mark.parametrize("form", ["{}", "google/{}", "models/{}", "GOOGLE/{}", "{}:free", "{}-2026-01-02"])
def test_a_model_is_known_as_gateways_spell_it(form: str) -> None:
    assert known_model(form.format("gemini-3-pro-image-preview")).successor == "gemini-3-pro-image"


def test_a_model_is_gone_from_its_last_day_on_and_words_say_what_to_write() -> None:
    preview, rerouted = known_model("gemini-2.5-flash-image-preview"), known_model("gemini-2.5-pro")
    assert preview == Model("image", shut_down=date(2026, 1, 15), successor="gemini-3.1-flash-image")
    assert [preview.is_gone(date(2026, 1, day)) for day in (14, 15)] == [False, True]
    assert [rerouted.is_gone(day) for day in (DAY, date(2026, 12, 1))] == [False, True]
    assert replacement("gemini-2.5-flash-image-preview") == (
        'shut down on 2026-01-15: change one line, to model_name="gemini-3.1-flash-image"'
    )
    assert replacement("gemini-2.5-pro").startswith("rerouted to gemini-3.8-flash on 2026-12-01: ")
    assert replacement("gemini-3.1-flash-image") == replacement("nano") == ""
    assert known_model("nano") is None


def test_every_model_that_we_name_is_in_the_file_and_served() -> None:
    assert CHECK["problems"](ROOT, DAY) == []
    named = CHECK["named_models"](ROOT)
    assert {"gemini-3.1-flash-image", "gemini-3.5-flash", "claude-opus-5-5"} <= set(named)
    assert "README.zh.md" in {place.partition(":")[0] for place in named["gemini-3.1-flash-image"]}


def test_no_model_that_we_name_ends_before_the_prices_are_to_be_read_again() -> None:
    assert CHECK["problems"](ROOT, date(2027, 2, 21)) == []


@pytest.mark.parametrize(
    ("day", "place", "fails", "says"),
    [
        ("2026-11-29", {}, 0, "every model that is named is served, and the prices are of the last 90 days\n"),
        ("2027-01-01", {}, 0, "days\nsoon: prices.yaml: read on 2026-11-23, over 90 days ago"),
        ("2027-01-01", {"GITHUB_ACTIONS": "true"}, 0, "days\n::warning::prices.yaml: read on 2026-11-23"),
        ("2027-02-22", {}, 1, "prices.yaml: read on 2026-11-23, over 90 days ago"),
    ],
)
def test_the_weekly_check_warns_60_days_ahead_and_fails_on_the_day(
    day: str, place: dict[str, str], fails: int, says: str
) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **place}
    command = [sys.executable, str(ROOT / ".ci" / "check_models.py"), day]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (fails, "")
    assert says in done.stdout


def test_a_model_that_nobody_knows_or_that_is_gone_is_found_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(
        "Take `gemini-2.5-flash-image`.\n\n`gemini-3-pro-image-preview` was shut down\nin June.\n\n"
        'model_name="nano-9"  # gpt-image-* and gemini-9-image, too\n'
    )
    found = CHECK["problems"](tmp_path, DAY)
    assert [problem.partition(" (")[0] for problem in found] == [
        "docs/page.md:1: gemini-2.5-flash-image, shut down on 2026-10-02",
        "docs/page.md:6: gemini-9-image is not in models.yaml",
        "docs/page.md:6: nano-9 is not in models.yaml",
    ]


def test_the_check_by_todays_date_is_a_command() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^check-models:.*\n\t.*python \.ci/check_models\.py$", makefile, re.MULTILINE)
    weekly = (ROOT / ".github" / "workflows" / "weekly.yml").read_text(encoding="utf-8")
    assert "cron:" in weekly
    assert "make check-models" in weekly
