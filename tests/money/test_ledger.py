"""Money in a step: what is journalled, what a resume knows, and that a limit holds whatever runs at once."""

import threading
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from dataflow.core.records import NANO, Answer, Charge, Job, Picture, Row
from dataflow.core.run_options import RunOptions
from dataflow.core.worker import Billing
from dataflow.errors import ConfigError, Failure, MaxCostReached, StepFailed
from dataflow.flow.summary import Summary
from dataflow.journal.journal import Journal
from dataflow.operators.base import Columns
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, column, flat, journal_entries, prompts_storage, read_rows, write_rows
from tests.kit.paid import COST, MOST, PRICES, USAGE, Paid, PaidPainter, money, names, storage
from tests.kit.workers import Echo


def test_every_attempt_is_charged_refusals_and_retries_included(tmp_path: Path) -> None:
    script = {
        "A": [Failure("retry", "no picture", usage=USAGE), Failure("retry", "busy")],
        "B": [Failure("refused", "policy", usage={"prompt_tokens": 50.0, "completion_tokens": 0.0})],
        "C": [Failure("retry", "lost", maybe_paid=True)],
    }
    summary = Ask(Paid(script)).run(storage(tmp_path, "ABCD").step())
    assert (summary.cost, summary.spent, summary.currency) == (0.00125, summary.cost, "USD")
    assert (summary.input_tokens, summary.output_tokens) == (450, 40)
    assert summary.unsure == 0.002257  # of the one that may have been paid
    entries = [entry for entry in journal_entries(tmp_path / "cache") if entry["t"] in ("got", "fail")]
    assert [entry["cost"] for entry in entries if entry["t"] == "got"] == [0.0003] * 3
    failed = {entry["reason"]: entry.get("cost", "none") for entry in entries if entry["t"] == "fail"}
    assert failed == {"no picture": 0.0003, "busy": "none", "policy": 0.00005, "lost": None}
    meta = orjson.loads((tmp_path / "cache/dataflow_cache_step_step1.meta.json").read_bytes())
    assert meta["cost"]["directory"] == summary.spent
    assert meta["cost"]["this_run"] == summary.cost
    assert meta["cost"]["currency"] == "USD"


def test_a_resume_does_not_reset_what_was_spent_and_a_lost_index_neither(tmp_path: Path) -> None:
    first = Ask(Paid()).run(storage(tmp_path, "ABC").step())
    again = Ask(Paid()).run(storage(tmp_path, "ABCD").step())
    assert (first.spent, again.cost, again.spent) == (0.0009, 0.0003, 0.0012)
    for ending in ("", "-wal", "-shm"):
        (tmp_path / f"cache/.dataflow/index.sqlite{ending}").unlink(missing_ok=True)
    assert money(tmp_path) == (4 * COST, 0, 0)


def test_an_index_that_an_older_version_went_on_with_is_summed_up_again(tmp_path: Path) -> None:
    import sqlite3

    Ask(Paid()).run(storage(tmp_path, "AB").step())
    with sqlite3.connect(tmp_path / "cache/.dataflow/index.sqlite") as db:
        db.execute("DELETE FROM facts WHERE name IN ('spent', 'summed')")
    db.close()
    assert money(tmp_path)[0] == 2 * COST


def test_a_worker_that_costs_nothing_writes_no_amounts(tmp_path: Path) -> None:
    summary = Ask(Echo()).run(prompts_storage(tmp_path, "AB").step())
    assert summary.currency == ""
    assert "spent" not in str(summary)
    assert not any("cost" in entry or "most" in entry for entry in journal_entries(tmp_path / "cache"))


@pytest.mark.parametrize("width", [1, 8])
def test_the_limit_is_never_passed_and_the_next_run_goes_on(tmp_path: Path, width: int) -> None:
    limit = 0.02
    with pytest.raises(MaxCostReached, match=r"max_cost is 0.0200 USD: 0.0\d+ USD spent in .*run again with max_cost"):
        Ask(Paid(width=width)).run(storage(tmp_path, names(100), max_cost=limit).step())
    spent, unsure, reserved = money(tmp_path)
    assert (unsure, reserved) == (0, 0)
    assert limit * NANO - MOST < spent <= limit * NANO
    assert spent % COST == 0
    with pytest.raises(MaxCostReached):
        Ask(Paid(width=width)).run(storage(tmp_path, names(100), max_cost=limit).step())
    assert money(tmp_path)[0] == spent
    summary = Ask(Paid(width=width)).run(storage(tmp_path, names(100), max_cost=1.0).step())
    assert (summary.failed, round(summary.spent * NANO)) == (0, 100 * COST)


def test_what_is_in_flight_is_reserved_at_its_most(tmp_path: Path) -> None:
    """0.01 has room for four requests at their most: never are five in flight, though 32 workers would."""
    worker = Paid(width=32)
    with pytest.raises(MaxCostReached):
        Ask(worker).run(storage(tmp_path, names(60), max_cost=0.01).step())
    assert worker.most == 4


def test_retries_are_reserved_too(tmp_path: Path) -> None:
    script = {name: [Failure("retry", "no picture", usage=USAGE)] * 3 for name in names(40)}
    with pytest.raises(MaxCostReached):
        Ask(Paid(script)).run(storage(tmp_path, names(40), max_cost=0.02).step())
    spent, unsure, _ = money(tmp_path)
    assert 0.02 * NANO - MOST < spent + unsure <= 0.02 * NANO


def test_two_steps_at_once_share_the_limit(tmp_path: Path) -> None:
    ended: list[BaseException | None] = []

    def run(number: int) -> None:
        first = write_rows(tmp_path / f"in{number}.jsonl", [{"prompt": f"{number}{name}"} for name in names(80)])
        shared = FileStorage(first, tmp_path / "cache", file_name_prefix=f"p{number}", prices=PRICES, max_cost=0.02)
        try:
            Ask(Paid(width=8)).run(shared.step())
            ended.append(None)
        except MaxCostReached as error:
            ended.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(each) for each in ended] == [MaxCostReached] * 3
    spent, unsure, reserved = money(tmp_path)
    assert (unsure, reserved) == (0, 0)
    assert 0.02 * NANO - 3 * MOST < spent <= 0.02 * NANO


def test_an_attempt_that_was_cut_off_stays_reserved(tmp_path: Path) -> None:
    """As after kill -9: two starts without an end, the one of them asked again by the next run."""
    Ask(Paid()).run(storage(tmp_path, "AB").step())
    ids = [entry["id"] for entry in journal_entries(tmp_path / "cache") if entry["t"] == "got"]
    with Journal.opened(tmp_path / "cache") as journal:
        journal.start("ff" * 16, 0, MOST)
        journal.start(ids[0], 0, MOST)
    assert money(tmp_path) == (2 * COST, 0, 2 * MOST)
    with pytest.raises(MaxCostReached, match=r"up to 0.0045 USD more by requests of unknown cost"):
        Ask(Paid()).run(storage(tmp_path, "ABC", max_cost=(2 * COST + 3 * MOST - 1) / NANO).step())
    Ask(Paid()).run(storage(tmp_path, "ABC", max_cost=(2 * COST + 3 * MOST) / NANO).step())
    with Journal.opened(tmp_path / "cache") as journal:
        journal.start("ff" * 16, 0, MOST)  # asked again: what was cut off may have been paid all the same
        assert journal.index.money.committed == 3 * COST + 3 * MOST


def test_a_model_without_price_refuses_the_limit_and_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"price of 'paid', which is not in .*prices.yaml(.|\n)*models:\n  paid: \{"):
        Ask(Paid()).run(prompts_storage(tmp_path, "A", max_cost=1.0).step())
    assert not (tmp_path / "cache").exists()
    prices = {"paid": {"input": 1.0, "output": 2.0}}
    with pytest.raises(ConfigError, match="add most_input"):
        Ask(Paid()).run(prompts_storage(tmp_path, "A", max_cost=1.0, prices=prices).step())


def test_without_a_limit_a_model_without_price_runs_and_its_cost_is_unknown(tmp_path: Path) -> None:
    summary = Ask(Paid()).run(prompts_storage(tmp_path, "AB").step())
    assert (summary.cost, summary.input_tokens) == (0.0, 200)
    said = " ".join(str(summary).split())
    assert "0.00 USD spent as far as known, 2 attempts of unknown cost: the model has no price, " in said
    again = Ask(Paid()).run(prompts_storage(tmp_path, "AB").step())
    assert (again.requests, again.unpriced, again.cost_per_image) == (0, 2, None)


def test_a_free_model_passes_any_limit(tmp_path: Path) -> None:
    prices = {"paid": {"free": True}}
    Ask(Paid()).run(prompts_storage(tmp_path, "AB", max_cost=0, prices=prices).step())
    assert money(tmp_path) == (0, 0, 0)


def test_the_limit_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DF_MAX_COST", "0.001")
    with pytest.raises(MaxCostReached):
        Ask(Paid()).run(storage(tmp_path, "AB").step())
    Ask(Paid()).run(storage(tmp_path, "AB", max_cost=1.0).step())
    monkeypatch.setenv("DF_MAX_COST", "a lot")
    with pytest.raises(ConfigError, match="DF_MAX_COST is 'a lot': give an amount"):
        Ask(Paid()).run(storage(tmp_path, "AB").step())


def test_a_directory_keeps_one_currency(tmp_path: Path) -> None:
    table = tmp_path / "yuan.yaml"
    table.write_bytes(orjson.dumps({"currency": "CNY", "models": PRICES}))
    summary = Ask(Paid()).run(prompts_storage(tmp_path, "A", prices=str(table)).step())
    assert summary.currency == "CNY"
    again = Ask(Paid()).run(prompts_storage(tmp_path, "AB", prices=str(table)).step())
    assert (again.currency, again.spent) == ("CNY", 0.0006)
    with pytest.raises(ConfigError, match="has costs in CNY, and prices= is in USD"):
        Ask(Paid()).run(storage(tmp_path, "AB").step())


def test_what_a_gateway_states_is_taken_for_the_truth(tmp_path: Path) -> None:
    class Stated(Paid):
        async def answer(self, job: Job) -> Answer:
            return Answer(text="x", usage={**USAGE, "cost": 0.0125})

    summary = Ask(Stated()).run(storage(tmp_path, "AB").step())
    assert (summary.cost, money(tmp_path)) == (0.025, (25_000_000, 0, 0))


def test_an_answer_dearer_than_its_bound_is_told_and_the_next_are_reserved_at_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Dear(Paid):
        async def answer(self, job: Job) -> Answer:
            return Answer(text="x", usage={"prompt_tokens": 10_000.0, "completion_tokens": 0.0})

    with pytest.raises(MaxCostReached):
        Ask(Dear(width=1)).run(storage(tmp_path, names(20), max_cost=0.055).step())
    assert money(tmp_path) == (50_000_000, 0, 0)
    assert "more than its bounds in the price table" in caplog.text


def test_an_adopted_picture_is_charged_by_the_picture(tmp_path: Path) -> None:
    from dataflow.operators.core_vision import PromptedImageGenerator

    worker = PaidPainter(save_path=tmp_path / "pictures")
    prices = {"paint": {"image": 0.04}}

    def run() -> tuple[float, int, float | None]:
        shop = prompts_storage(tmp_path, "ABC", prices=prices)
        operator = PromptedImageGenerator(worker)
        summary = operator.run(shop.step(), input_conversation_key="prompt", output_image_key="made")
        return summary.spent, summary.accepted, summary.cost_per_image

    assert run() == (0.12, 3, 0.04)
    path = tmp_path / "cache/.dataflow/journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if b'"got"' in line)
    path.write_bytes(b"".join(lines[:last]))  # killed between the picture and its line
    assert money(tmp_path) == (80_000_000, 0, 40_000_000)
    assert run() == (0.12, 3, 0.04)
    assert money(tmp_path) == (120_000_000, 0, 0)


def test_if_every_row_is_refused_the_summary_still_tells_the_cost(tmp_path: Path) -> None:
    script = {name: [Failure("refused", "policy.", usage=USAGE)] for name in "AB"}
    with pytest.raises(StepFailed, match=r"policy\. 0.0006 USD spent"):
        Ask(Paid(script)).run(storage(tmp_path, "AB").step())


def test_pictures_of_other_columns_are_not_accepted_ones() -> None:
    from dataflow.flow.accepted import count_among

    picture = Picture("/a/b.png", "", 1, 1, 1)
    assert count_among(["/a/b.png", "/a/c.png", 3], {picture.path}) == 1
    assert count_among("/a/b.png", {picture.path}) == 1
    assert count_among(None, {picture.path}) == 0


class PaidByToken(PaidPainter):
    """Pictures are charged by tokens, and its replies count none."""

    def billing(self) -> Billing:
        return Billing("nano")


NANO_PRICES = {"nano": {"input": 0.3, "output": 30.0, "most_input": 1000, "most_output": 1400, "about_image": 0.039}}


def paint(folder: Path, cache: str, prompts: str = "AB") -> Summary:
    from dataflow.operators.core_vision import PromptedImageGenerator

    rows = write_rows(folder / "prompts.jsonl", [{"prompt": prompt} for prompt in prompts])
    worker = PaidByToken(save_path=folder / "shared")
    step = FileStorage(str(rows), folder / cache, prices=NANO_PRICES).step()
    operator = PromptedImageGenerator(worker)
    return operator.run(step, input_conversation_key="prompt", output_image_key="made")


def test_pictures_that_another_directory_paid_are_adopted_for_nothing(tmp_path: Path) -> None:
    first = paint(tmp_path, "one")
    assert (first.spent, first.estimated, first.cost_per_image) == (0.078, 0.078, 0.039)
    said = " ".join(str(first).split())
    assert "0.0780 USD spent, 0.0780 USD estimated, since replies counted no tokens, 0.0390 USD per picture" in said
    again = paint(tmp_path, "two")
    assert (again.adopted, again.spent, again.unsure, again.unpriced) == (2, 0.0, 0.0, 0)
    assert "2 pictures adopted" in str(again)
    assert "price" not in str(again)
    assert not any("cost" in entry for entry in journal_entries(tmp_path / "two"))


def test_a_picture_adopted_after_a_kill_counts_what_its_start_reserved(tmp_path: Path) -> None:
    paint(tmp_path, "cache")
    path = tmp_path / "cache/.dataflow/journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if b'"got"' in line)
    path.write_bytes(b"".join(lines[:last]))
    reserved = [round(entry["most"] * NANO) for entry in journal_entries(tmp_path / "cache") if entry["t"] == "start"][
        -1
    ]
    summary = paint(tmp_path, "cache")
    assert (summary.adopted, summary.unpriced) == (1, 0)
    assert money(tmp_path) == (39_000_000, reserved, 0)
    assert "no price" not in str(summary)
    assert "at least " in str(summary)


def test_a_line_that_stands_twice_costs_once(tmp_path: Path) -> None:
    script = {"A": [Failure("retry", "no picture", usage=USAGE)], "B": [Failure("refused", "policy", usage=USAGE)]}
    Ask(Paid(script)).run(storage(tmp_path, "ABC").step())
    once = money(tmp_path)
    assert once == (4 * COST, 0, 0)
    path = tmp_path / "cache/.dataflow/journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"".join(line * 2 for line in lines[1:]))
    assert money(tmp_path) == once
    ends = [line for line in lines if b'"got"' in line or b'"fail"' in line]
    assert len(ends) == 4
    path.write_bytes(b"".join([*lines, *ends]))
    assert money(tmp_path) == once


@pytest.mark.parametrize("stated", [1e300, 1e10])
def test_a_journal_with_an_absurd_cost_of_an_earlier_version_is_read(tmp_path: Path, stated: float) -> None:
    from dataflow.journal.lines import decode_line, encode_line

    Ask(Paid()).run(storage(tmp_path, "AB").step())
    path = tmp_path / "cache/.dataflow/journal.jsonl"
    entries = [decode_line(line) for line in path.read_bytes().splitlines(keepends=True)]
    changed = [{**entry, "cost": stated} if "cost" in entry else entry for entry in entries if entry is not None]
    path.write_bytes(b"".join(encode_line({k: v for k, v in each.items() if k != "crc"}) for each in changed))
    for _ in range(2):
        summary = Ask(Paid()).run(storage(tmp_path, "ABC").step())
        assert (summary.spent, summary.unsure) == (COST / NANO, 2 * MOST / NANO)
    assert money(tmp_path) == (COST, 2 * MOST, 0)


def test_sums_above_what_sqlite_counts_are_kept(tmp_path: Path) -> None:
    with Journal.opened(tmp_path / "cache") as journal:
        for number in range(20):
            name = f"{number:032x}"
            journal.start(name, 0, 10**18)
            journal.got(name, 0, Answer(text="x"), Charge(10**18))
    assert money(tmp_path) == (20 * 10**18, 0, 0)


def test_a_cost_that_is_disbelieved_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Absurd(Paid):
        async def answer(self, job: Job) -> Answer:
            return Answer(text="x", usage={**USAGE, "cost": 1e300})

    summary = Ask(Absurd()).run(storage(tmp_path, "ABC").step())
    assert (summary.failed, summary.cost) == (0, 0.0009)
    assert caplog.text.count("makes its request cost 1e+300 USD, which no request costs") == 1
    assert Ask(Absurd()).run(storage(tmp_path, "ABC").step()).requests == 0


LIMIT = 0.02


def finishing(folder: Path, **settings: object) -> FileStorage:
    return storage(folder, names(100), at_limit="finish", **settings)


def test_the_step_is_written_without_what_cannot_be_paid_and_a_higher_limit_goes_on(tmp_path: Path) -> None:
    first = finishing(tmp_path, max_cost=LIMIT)
    summary = Ask(Paid()).run(first.step())
    spent, unsure, reserved = money(tmp_path)
    assert (unsure, reserved) == (0, 0)
    assert LIMIT * NANO - MOST < spent <= LIMIT * NANO
    done = spent // COST
    assert (summary.rows, summary.failed, summary.unpaid) == (100, 100 - done, 100 - done)
    assert f"{100 - done} x max_cost (0.0200 USD) leaves no room: raise it to go on" in str(summary)
    assert f"{100 - done} requests left out, for which max_cost leaves no room" in flat(summary)
    assert [line["attempts"] for line in read_rows(first.current.errors)] == [0] * (100 - done)

    second = finishing(tmp_path, max_cost=1.0)
    again = Ask(Paid()).run(second.step())
    assert (again.requests, again.failed, again.unpaid) == (100 - done, 0, 0)
    assert [str(text).split("/")[0] for text in column(second, "answer")] == names(100)
    assert money(tmp_path) == (100 * COST, 0, 0)


def test_a_step_of_which_nothing_can_be_paid_fails_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"max_cost \(0.0010 USD\) leaves no room: raise it to go on"):
        Ask(Paid()).run(finishing(tmp_path, max_cost=0.001).step())


def test_what_was_cut_off_stays_reserved_however_often_its_row_is_left_out(tmp_path: Path) -> None:
    script = {"A": [Failure("retry", "lost", maybe_paid=True, retries=0)]}
    Ask(Paid(script)).run(storage(tmp_path, "AB", max_cost=1.0).step())
    with Journal.opened(tmp_path / "cache") as journal:
        journal.start("ab" * 16, 0, MOST)  # a run that was killed
    before = money(tmp_path)
    for _ in range(2):
        Ask(Paid()).run(
            storage(tmp_path, "ABC", max_cost=(before[0] + before[1] + MOST) / NANO, at_limit="finish").step()
        )
    spent, unsure, reserved = money(tmp_path)
    assert spent + unsure + reserved <= before[0] + before[1] + MOST
    assert (unsure, reserved) == (before[1], MOST)


def test_a_left_out_row_keeps_its_refusal(tmp_path: Path) -> None:
    refused = {"A": [Failure("refused", "policy")]}
    Ask(Paid(refused)).run(storage(tmp_path, "AB").step())
    spent = money(tmp_path)[0] / NANO
    options = RunOptions(max_cost=spent, at_limit="finish", retry_rejected=True, prices=PRICES)
    rows = FileStorage(tmp_path / "prompts.jsonl", tmp_path / "cache", options=options)
    left_out = Ask(Paid()).run(rows.step())
    assert (left_out.requests, left_out.unpaid) == (0, 1)
    again = Ask(Paid()).run(storage(tmp_path, "AB").step())
    assert (again.requests, again.failed) == (0, 1), "the refusal of before counts, and nobody asks for it anew"


def test_the_word_for_it_is_checked() -> None:
    with pytest.raises(ConfigError, match="at_limit is 'Stop': use one of stop, finish"):
        RunOptions(at_limit="Stop")  # type: ignore[arg-type]


class AskItsPrice(Ask):
    """Stores what each answer cost."""

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row]:
        return [{**row, columns.output: "ok", "cost": [answer.cost for answer in answers]}]


def test_the_cost_of_an_answer_is_that_of_the_attempt_that_gave_it_in_every_run(tmp_path: Path) -> None:
    again = {"B": [Failure("retry", "busy")]}
    first = storage(tmp_path, "AB")
    AskItsPrice(Paid(again)).run(first.step())
    assert column(first, "cost") == [[COST], [COST]]
    second = storage(tmp_path, "AB")
    summary = AskItsPrice(Paid()).run(second.step())
    assert (column(second, "cost"), summary.requests) == ([[COST], [COST]], 0)


def test_an_answer_that_nobody_charges_for_costs_nothing(tmp_path: Path) -> None:
    free = prompts_storage(tmp_path, "A")
    AskItsPrice(Echo()).run(free.step())
    assert column(free, "cost") == [[0]]
