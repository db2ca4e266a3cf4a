"""What one attempt is charged: by the gateway's word, by its tokens, or as usual pictures."""

import logging
from datetime import date
from pathlib import Path

import pytest

from dataflow.core.records import NANO, Answer, Charge, Job, Picture, Request
from dataflow.core.run_options import RunOptions
from dataflow.core.worker import Billing
from dataflow.errors import Failure
from dataflow.money.budget import Budget, make_budget
from dataflow.money.prices import read_prices
from tests.kit.flow import Ask, prompts_storage
from tests.kit.workers import Echo

TABLE = {
    "nano": {"input": 0.3, "output": 30.0, "most_input": 1000, "most_output": 1400, "about_image": 0.039},
    "unbounded": {"input": 0.3, "output": 30.0},
    "each": {"image": 0.04},
}
TOKENS = {"prompt_tokens": 10.0, "completion_tokens": 1290.0}
BY_TOKENS = (10 * 300) + (1290 * 30_000)  # billionths


def budget_of(model: str, **billing: float) -> Budget:
    class Paid(Echo):
        def billing(self) -> Billing:
            return Billing(model, **billing)  # type: ignore[arg-type]

    return make_budget({"worker": Paid()}, RunOptions(prices=TABLE))


def charge(model: str, usage: dict[str, float], pictures: int = 1, **billing: float) -> Charge | None:
    made = (Picture("/made.png", "", 1, 1, 1),) * pictures
    return budget_of(model, **billing).charge(Job("ab" * 16, Request("p")), Answer(made, usage=usage))


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"prompt_tokens": 0.0, "completion_tokens": 0.0, "total_tokens": 0.0},
        {"prompt_tokens": 12.0, "completion_tokens": 5.0},  # the words beside the picture
        {"prompt_tokens": 12.0},
        {"prompt_tokens": 12.0, "completion_tokens": 1e300},
    ],
)
def test_a_picture_whose_tokens_nobody_counts_costs_what_a_usual_one_does(usage: dict[str, float]) -> None:
    assert charge("nano", usage) == Charge(39_000_000, estimated=True)


def test_several_such_pictures_cost_several_and_batches_half() -> None:
    assert charge("nano", {}, pictures=3) == Charge(117_000_000, estimated=True)
    assert charge("nano", {}, share=0.5) == Charge(19_500_000, estimated=True)
    assert charge("each", {}, pictures=2) == Charge(80_000_000)  # a price for each is no estimate


@pytest.mark.parametrize(("size", "cost"), [((1536, 1024), 68), ((2048, 2048), 156), ((4096, 4096), 156)])
def test_a_picture_that_is_larger_than_usual_is_priced_at_its_bound(size: tuple[int, int], cost: int) -> None:
    answer = Answer((Picture("/made.png", "", 1, *size),))
    charged = budget_of("gemini-3.1-flash-image").charge(Job("ab" * 16, Request("p")), answer)
    assert charged == Charge(cost * NANO // 1000, estimated=True)


def test_dollars_are_no_amount_of_another_currency(tmp_path: Path) -> None:
    path = tmp_path / "yuan.yaml"
    path.write_text("currency: CNY\nmodels: {nano: {input: 2, output: 210, about_image: 0.28}}\n")

    class Paid(Echo):
        def billing(self) -> Billing:
            return Billing("nano")

    budget = make_budget({"worker": Paid()}, RunOptions(prices=str(path)))
    answer = Answer((Picture("/made.png", "", 1, 1, 1),), usage={**TOKENS, "cost": 0.039})
    assert budget.charge(Job("ab" * 16, Request("p")), answer) == Charge((10 * 2 + 1290 * 210) * 1000)


def test_where_no_usual_picture_is_known_the_cost_is_not_known() -> None:
    assert charge("unbounded", {}) == Charge(None)
    assert charge("unbounded", {"prompt_tokens": 12.0}) == Charge(None)
    assert charge("nano", {}, pictures=0) == Charge(None)  # words without usage


@pytest.mark.parametrize("cost", [1e300, 1e10, 38_730_000.0, 38_730.0])
def test_a_cost_that_no_request_has_is_passed_over(cost: float) -> None:
    assert charge("nano", {**TOKENS, "cost": cost}) == Charge(BY_TOKENS, disbelieved=cost)
    assert charge("nano", {"cost": cost}) == Charge(39_000_000, estimated=True, disbelieved=cost)
    assert charge("unbounded", {"cost": cost}) == Charge(None, disbelieved=cost)
    assert charge("of no price", {**TOKENS, "cost": cost}) == Charge(None, disbelieved=cost)


@pytest.mark.parametrize("cost", [0.0, 0.0125, 0.39, 0.9])
def test_a_cost_that_a_gateway_may_take_is_believed(cost: float) -> None:
    assert charge("nano", {**TOKENS, "cost": cost}) == Charge(round(cost * NANO))
    assert charge("of no price", {"cost": cost * 100}) == Charge(round(cost * 100 * NANO))


def test_tokens_that_no_request_has_are_passed_over_too() -> None:
    made = 5e8 * 30 / 1e6
    assert charge("nano", {"completion_tokens": 5e8}) == Charge(39_000_000, estimated=True, disbelieved=made)


def test_an_absurd_cost_of_a_failure_is_passed_over() -> None:
    def failed(**usage: float) -> Charge | None:
        failure = Failure("refused", "policy", usage=usage)
        return budget_of("nano").charge(Job("ab" * 16, Request("p")), Answer(error=failure))

    assert failed(cost=1e300) == Charge(None, disbelieved=1e300)
    assert failed(cost=1e300, prompt_tokens=10.0) == Charge(3000, disbelieved=1e300)
    assert failed() is None


@pytest.mark.parametrize(
    ("model", "about"),
    [("gemini-3.1-flash-image", 0.068), ("gemini-2.5-flash-image", 0.039), ("gemini-3-pro-image", 0.135)],
)
def test_what_is_reserved_is_one_picture_in_and_one_out(model: str, about: float) -> None:
    """Not the whole window that the model reads, nor ten pictures."""
    price = read_prices(None).price(model)
    assert price is not None
    reserved = price.most(200, 1, draws=True, most_output=None, images=1) / NANO
    words = price.most_output * price.output_rates[0] / 1e6
    assert about <= reserved - words <= 4 * about
    assert price.most(200, 1, draws=True, most_output=4096, images=1) / NANO <= 5 * about


def test_all_that_goes_in_is_in_the_bound_and_so_is_every_text_that_comes_out() -> None:
    long = budget_of("nano", texts=500, most_output=10)
    plain = budget_of("nano", most_output=10)
    text = Request("p", ("a.png",), makes="text")
    each = 1000 * 300, 10 * 30_000  # a picture of unknown size: the whole window
    assert plain.most(text) == sum(each)
    assert budget_of("nano", most_output=10, images=4).most(text) == each[0] + 4 * each[1]
    words = Request("p", makes="text")
    assert long.most(words) - plain.most(words) == pytest.approx(500 * 300, rel=0.001)
    assert budget_of("nano", most_output=10, pictures=1).most(words) == sum(each)
    labelled = Request("p", makes="text", labels=("l" * 100,))
    assert plain.most(labelled) - plain.most(words) == pytest.approx(100 * 300, rel=0.001)


def test_pictures_that_came_and_are_not_kept_are_charged_too() -> None:
    sent = {"pictures_sent": 3.0}
    assert charge("each", sent) == Charge(120_000_000)
    assert charge("nano", sent) == Charge(117_000_000, estimated=True)
    assert charge("nano", {**sent, **TOKENS}) == Charge(BY_TOKENS)


class Charging(Echo):
    """A worker that is charged for under this name."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model

    def billing(self) -> Billing:
        return Billing(self.model)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


def test_the_shipped_prices_are_named_once_from_the_91st_day_on(caplog: pytest.LogCaptureFixture) -> None:
    workers = {"a": Charging("gpt-4o"), "b": Charging("gemini-3-pro-image")}
    make_budget(workers, RunOptions(), today=date(2027, 2, 21))
    assert warnings(caplog) == []
    for _ in range(2):
        make_budget(workers, RunOptions(), today=date(2027, 2, 22))
    (warning,) = warnings(caplog)
    assert "prices.yaml were read on 2026-11-23, more than 90 days ago" in warning


def test_prices_that_the_run_does_not_use_are_not_named(caplog: pytest.LogCaptureFixture) -> None:
    mine = RunOptions(prices={"nano": {"image": 0.02}, "own": {"free": True}})
    make_budget({"a": Charging("nano"), "b": Charging("own"), "c": Charging("unheard")}, mine, today=date(2030, 1, 1))
    make_budget({"a": Echo()}, RunOptions(), today=date(2030, 1, 1))
    assert warnings(caplog) == []


def test_a_file_of_ones_own_that_is_old_is_named_by_a_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "mine.yaml").write_text("date: 2020-05-04\nmodels: {nano: {image: 0.02}}\n")
    for _ in range(2):
        Ask(Charging("nano")).run(prompts_storage(tmp_path, ["p"], prices=str(tmp_path / "mine.yaml")).step())
    (warning,) = warnings(caplog)
    assert f"{tmp_path / 'mine.yaml'} were read on 2020-05-04" in warning
