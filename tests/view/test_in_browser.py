"""The page in a real browser: compare, find, decide and label by keys, and watch a run grow."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dataflow.calibration.labels import read_labels
from dataflow.view.catalogue import Catalogue
from dataflow.view.labelling import SampleOptions
from dataflow.view.report import write_report, write_sample
from tests.kit.browser import Keys, Window, page_of, window
from tests.kit.judged import STEP, judged_cache, row_of, verdict_of, write_rows

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>\u202egnp.exe"


@pytest.fixture(scope="module")
def browser() -> Iterator[Window]:
    with window() as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return judged_cache(tmp_path / "run", accepted=90, rejected=10)


@pytest.fixture
def page(folder: Path, browser: Window) -> Iterator[Window]:
    with page_of(folder, STEP, folder.parent / "labels.jsonl") as address:
        browser.open(address)
        browser.one(".card")
        yield browser
        assert browser.complaints() == []


def said(folder: Path) -> list[tuple[str, str]]:
    return [(each.path.rpartition("/")[2], each.label) for each in read_labels(folder.parent / "labels.jsonl")]


def test_the_slider_shows_as_much_of_the_edit_as_it_is_moved(page: Window) -> None:
    page.press(Keys.ENTER)
    handle = page.one(".detail .handle")
    assert handle.get_attribute("aria-valuenow") == "50"
    page.run("""
        const frame = document.querySelector('.detail .frame'), box = frame.getBoundingClientRect();
        const at = {bubbles: true, button: 0, pointerId: 1, clientX: box.left + box.width / 4, clientY: box.top + 9};
        frame.setPointerCapture = () => {};
        frame.dispatchEvent(new PointerEvent('pointerdown', at));
        frame.dispatchEvent(new PointerEvent('pointerup', at));
    """)
    assert handle.get_attribute("aria-valuenow") == "25"
    handle.send_keys(Keys.ARROW_RIGHT)
    assert handle.get_attribute("aria-valuenow") == "27"
    assert (
        page.run("return getComputedStyle(document.querySelector('.detail figure.after')).clipPath")
        == "inset(0px 0px 0px 27%)"
    )


def test_holding_space_shows_the_picture_before(page: Window) -> None:
    page.press(Keys.ENTER)
    page.one(".detail .frame img.after")
    seen = "return getComputedStyle(document.querySelector('.detail figure.{}')).visibility"
    page.run("dispatchEvent(new KeyboardEvent('keydown', {key: ' ', bubbles: true}))")
    assert [page.run(seen.format(each)) for each in ("before", "after")] == ["visible", "hidden"]
    page.run("dispatchEvent(new KeyboardEvent('keyup', {key: ' ', bubbles: true}))")
    assert [page.run(seen.format(each)) for each in ("before", "after")] == ["hidden", "visible"]


def test_difference_and_marks_show_where_the_edit_changed_something(page: Window) -> None:
    page.press(Keys.ENTER)
    page.one(".detail .frame img.after")
    page.press("d")
    page.until(lambda: page.find(".detail canvas.heat"))
    page.press("s", "m")
    page.until(lambda: page.find(".detail .marks .blocks rect"))
    page.press("b")
    assert page.one(".detail .stage").get_attribute("data-mode") == "beside"


def test_filters_search_and_order_by_mouse_and_keys(page: Window) -> None:
    assert "101 rows" in page.one(".note").text
    next(each for each in page.find(".choice") if "rejected" in each.text).click()
    page.until(lambda: page.one(".note").text == "10 rows found")
    page.press("c")
    page.until(lambda: "101 rows" in page.one(".note").text)
    page.press("w")
    page.until(lambda: "rejected" in page.find(".card")[0].text)
    page.press("/")
    page.press("thing 42")
    page.until(lambda: page.one(".note").text == "1 row found")
    assert "make thing 42 blue" in page.one(".card").text
    page.press(Keys.ESCAPE, "?")
    assert "worst first" in page.one("dialog.help").text


def test_a_link_names_a_row_and_back_closes_it(page: Window) -> None:
    page.press(Keys.ARROW_RIGHT, Keys.ENTER)
    page.until(lambda: "make thing 1 blue" in page.one(".detail").text)
    address = page.driver.current_url
    page.press(Keys.ARROW_RIGHT)
    page.until(lambda: "make thing 2 blue" in page.one(".detail").text)
    page.driver.back()
    page.until(lambda: not page.find(".detail")[0].is_displayed())
    page.open(address)
    page.until(lambda: "make thing 1 blue" in page.one(".detail").text)
    assert [each.text for each in page.find(".detail .thumb")] == ["try 1 3.0", "try 2 7.5"]


def test_a_decision_by_hand_is_kept_and_withdrawn(page: Window, folder: Path) -> None:
    page.press(Keys.ENTER)
    page.one(".detail .byhand")
    page.press("x")
    page.until(lambda: said(folder) == [("edit0_1.png", "reject")])
    page.until(lambda: page.find(".card .hand.reject"))
    page.press("x")
    page.until(lambda: said(folder) == [])
    page.press("a")
    page.until(lambda: said(folder) == [("edit0_1.png", "accept")])


def test_a_hundred_edits_are_labelled_by_keys_and_a_reload_loses_none(page: Window, folder: Path) -> None:
    page.press("L", Keys.ENTER)

    def done() -> int:
        return int(str(page.run("return document.querySelector('.labelling progress')?.value ?? -1")))

    page.until(lambda: done() == 0)
    assert not re.search(r"\d\.\d|accepted|rejected", page.one(".labelling").text), "it is blind"
    for count in range(110):
        if count == 47:
            page.driver.refresh()
            page.one(".labelling .go")
            page.press(Keys.ENTER)
            page.until(lambda: done() == 47)
        page.press(*(("p", "2") if count % 5 == 0 else "1"))
        page.until(lambda count=count: done() == count + 1)  # type: ignore[misc]
    assert "110 answers: 88 yes, 22 no" in page.one(".labelling").text
    labels = read_labels(folder.parent / "labels.jsonl")
    assert len(labels) == 110
    assert sum(each.shown == 2 for each in labels) == 10
    assert {each.reasons for each in labels if each.label == "no"} == {("preservation",)}
    assert all(each.sample is not None and each.seconds > 0 for each in labels)


def test_a_report_works_without_a_server(folder: Path, browser: Window) -> None:
    with closing(Catalogue(folder, STEP)) as catalogue:
        write_report(catalogue.read_all(), folder.parent / "report.html")
    browser.open((folder.parent / "report.html").as_uri())
    assert "101 rows" in browser.one(".note").text
    browser.press("w")
    browser.until(lambda: "rejected" in browser.find(".card")[0].text)
    browser.press(Keys.ENTER, "d")
    browser.until(lambda: browser.find(".detail canvas.heat"))
    assert browser.find(".detail .thumb")[0].text == "try 1 3.0"
    assert browser.complaints() == []


def test_a_sample_is_labelled_in_a_file_and_saved_by_a_button(folder: Path, browser: Window) -> None:
    with closing(Catalogue(folder, STEP)) as catalogue:
        write_sample(catalogue.read_all(), folder.parent / "sample.html", SampleOptions(count=12))
    browser.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder.parent)}
    )
    browser.open((folder.parent / "sample.html").as_uri())
    browser.one(".answers")
    browser.press("1", "n", "2", "3")
    browser.driver.refresh()
    browser.until(lambda: "3 of 18" in browser.one(".labelling .tools").text)
    browser.press(*"1" * 15)
    browser.one(".labelling .go").click()
    browser.until(lambda: len(read_labels(folder.parent / "labels.jsonl")) == 18)
    first, second, third, *_ = read_labels(folder.parent / "labels.jsonl")
    assert (first.label, second.label, second.reasons, third.label) == ("yes", "no", ("naturalness",), "unsure")
    assert first.sample is not None
    assert browser.complaints() == []


def test_a_run_grows_on_the_page(tmp_path: Path, browser: Window) -> None:
    part = tmp_path / f"{STEP}.jsonl.part"
    write_rows(part, [row_of(tmp_path, 0, verdict=verdict_of(9))])
    with page_of(tmp_path, STEP, tmp_path / "labels.jsonl") as address:
        browser.open(address)
        browser.until(lambda: len(browser.find(".card")) == 1)
        first = browser.find(".card")[0]
        browser.press("/")
        for number in (1, 2):
            with part.open("a") as file:
                file.write(json.dumps(row_of(tmp_path, number, verdict=verdict_of(3))) + "\n")
            browser.until(lambda number=number: len(browser.find(".card")) == number + 1)  # type: ignore[misc]
        assert first.is_displayed(), "a card that is there stays"
        assert browser.driver.switch_to.active_element.get_attribute("type") == "search", "whoever types goes on typing"
        assert "3 rows" in browser.one(".note").text


def test_hostile_rows_are_text(tmp_path: Path, browser: Window) -> None:
    (tmp_path / "drawing.png").write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='parent.document.title=1'/>")
    odd: dict[str, object] = {**dict.fromkeys(("conversations", "sub_type", "language", "id"), EVIL)}
    odd |= {"images": ["drawing.png", "../secret.png"], "verdict": verdict_of(2, critique=EVIL, gate=EVIL)}
    long: dict[str, object] = {"conversations": "宽" * 10_000, "sub_type": "x" * 3000}
    rows = [row_of(tmp_path, 0) | odd | more for more in ({}, long)]
    write_rows(tmp_path / f"{STEP}.jsonl", rows)
    with page_of(tmp_path, STEP, tmp_path / "labels.jsonl") as address:
        browser.open(address)
        assert EVIL.replace("\u202e", "") in browser.one(".card .said").text.replace("\u202e", "")
        browser.press(Keys.ENTER)
        browser.until(lambda: "onerror" in browser.one(".detail .instruction").text)
        browser.until(lambda: browser.find(".detail .frame .missing"))
        browser.press(Keys.ARROW_RIGHT)
        browser.until(lambda: "宽宽" in browser.one(".detail .instruction").text)
        width = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert isinstance(width, list)
        assert width[0] <= width[1], "nothing is wider than the window"
        assert "run" not in browser.driver.title.split()
        assert browser.find("body img[src=x], body script") == []
        assert browser.complaints() == []


def test_no_press_is_lost_where_rows_come_slower_than_keys(page: Window) -> None:
    page.press(Keys.ENTER)
    page.until(lambda: "make thing 0 blue" in page.one(".detail").text)
    right = "dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}));"
    page.run(right * 9)
    page.until(lambda: "make thing 9 blue" in page.one(".detail").text)
    page.press(Keys.ESCAPE)
    assert "make thing 9 blue" in page.driver.switch_to.active_element.text


def test_what_has_the_focus_is_what_enter_presses(page: Window) -> None:
    page.run("document.querySelectorAll('.card')[3].focus()")
    page.press(Keys.ENTER)
    page.until(lambda: "make thing 3 blue" in page.one(".detail").text)
    assert page.run("return document.querySelector('.filters').closest('[inert]') !== null"), "what lies behind"
    page.press(Keys.ESCAPE)
    page.run("document.querySelector('#side').focus()")
    page.press(Keys.TAB, Keys.ENTER)
    page.until(lambda: page.one(".note").text == "1 to 60 of 90 rows found")
    next(each for each in page.find(".choice") if "rejected" in each.text).click()
    page.until(lambda: page.one(".note").text == "1 to 60 of 100 rows found")
    page.press("w")
    page.until(lambda: "rejected" in page.find(".card")[0].text)
    page.press(Keys.ENTER)
    page.until(lambda: page.one(".detail").is_displayed())


def test_of_many_reasons_the_most_frequent_are_offered(tmp_path: Path, browser: Window) -> None:
    write_rows(tmp_path / f"{STEP}.jsonl", [row_of(tmp_path, 0, verdict=verdict_of(9))])
    letters = "abcdefghijklmnopqrstuvwxyz"
    dropped = [row_of(tmp_path, 0, reason=f"not {one}{other}") for one in letters for other in letters]
    write_rows(tmp_path / f"{STEP}.dropped.jsonl", [*dropped, dropped[-1]])
    with page_of(tmp_path, STEP, tmp_path / "labels.jsonl") as address:
        browser.open(address)
        browser.until(lambda: "and 616 more" in browser.one(".filters").text)
        assert browser.find(".choice[data-key^=fault]")[0].text == "not zz\n2"
