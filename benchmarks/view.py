"""Measures the page of `dataflowmm view` with a hundred thousand rows, and the size of a report of photographs.

OMP_NUM_THREADS=1 python -m benchmarks.view [--rows 100000]

A directory is made as an accept loop leaves it: accepted rows, a rejected one in five, and every try. Pictures are
sections of the photographs of example_data/image_gen/image_edit. The page is served by a process of its own and opened
in Chromium or Chrome, which needs the extra `dev`.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
from PIL import Image

from tests.kit.browser import Window, window
from tests.kit.judged import STEP, verdict_of

PHOTOS = sorted((Path(__file__).parent.parent / "example_data" / "image_gen" / "image_edit").glob("*.png"))
OPERATIONS = ("add", "remove", "replace", "recolour", "background", "style", "move", "resize", "lettering", "light")
SENTENCE = "make the wooden boat beside the old pier a deep shade of blue and keep the water as it is"
WORDS = SENTENCE.split()
SIDE = 1024  # pixels of a picture
PICTURES = 397  # a prime, so that rows at any distance have others
TIMES = 5


def make_pictures(folder: Path) -> list[str]:
    """Sections of photographs, all different."""
    folder.mkdir(parents=True)
    found = []
    photos = [Image.open(path).convert("RGB").resize((1300, 1300)) for path in PHOTOS]
    for number in range(PICTURES):
        left, top = (number * 37) % 276, (number * 53) % 276
        path = folder / f"{number}.jpg"
        photos[number % len(photos)].crop((left, top, left + SIDE, top + SIDE)).save(path, quality=92)
        found.append(str(path))
    return found


def make_rows(folder: Path, pictures: list[str], rows: int) -> None:
    """The files of a step."""
    names = ("", ".rejected", ".tries")
    files = {name: (folder / f"{STEP}{name}.jsonl").open("wb") for name in names}
    for number in range(rows):
        words = " ".join(WORDS[(number * 7 + k) % len(WORDS)] for k in range(14))
        row = {
            "images": [pictures[number % PICTURES]],
            "conversations": [{"role": "user", "content": f"{words} {number}"}],
            "sub_type": OPERATIONS[number % len(OPERATIONS)],
        }
        said = [
            {
                **verdict_of(2 + (number * 13 + 5 * k) % 80 / 10, cost=0.02, critique=f"{words}, but not quite"),
                "try": k,
                "candidate": 0,
            }
            for k in range(1 if number % 5 else 2)
        ]
        edits = [f"{pictures[(number + 1 + k) % PICTURES]}" for k in range(len(said))]
        for edit, each in zip(edits, said, strict=True):
            files[".tries"].write(orjson.dumps({**row, "edited_images": [edit], "verdict": each}) + b"\n")
        where, shown = ("", said[-1]) if number % 5 else (".rejected", said)
        files[where].write(orjson.dumps({**row, "edited_images": edits, "verdict": shown}) + b"\n")
    for file in files.values():
        file.close()


def seconds_until(window: Window, act: Callable[[], object], holds: Callable[[], object]) -> float:
    """The seconds until an element is shown."""
    begun = time.monotonic()
    act()
    window.until(holds)
    return time.monotonic() - begun


def pictures_shown(page: Window) -> bool:
    """Whether all pictures in the window are loaded."""
    script = (
        "const shown = [...document.querySelectorAll('.card img')].filter(each => each.getBoundingClientRect().top <"
        " innerHeight); return shown.length > 0 && shown.every(each => each.complete && each.naturalWidth)"
    )
    return bool(page.run(script))


def memory_of(process: int) -> tuple[float, float]:
    """The memory of a process in MB, now and at its peak."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return int(found["VmRSS"]) / 1024, int(found["VmHWM"]) / 1024


# From an act to the change of what stands on the page, in seconds, as the page's own clock has it.
TIMED = """
    const [act, done] = arguments, note = document.querySelector('.note'), grid = document.querySelector('.grid');
    const press = key => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    const choose = name => [...document.querySelectorAll('.choice')].find(each => each.title.startsWith(name)).click();
    const type = text => {
        const field = document.querySelector('input[type=search]');
        field.value = text;
        field.dispatchEvent(new Event('input'));
    };
    const place = () => grid.firstChild.dataset.place + note.textContent, before = place(), begun = performance.now();
    new Function('press', 'choose', 'type', act)(press, choose, type);
    const look = () => place() === before ? setTimeout(look, 2)
        : requestAnimationFrame(() => done((performance.now() - begun) / 1000));
    look();
"""


def filters(page: Window) -> Iterator[tuple[str, float]]:
    """Name of a filter, and seconds until its rows stand on the page."""
    for name, act in (
        ("an outcome", "choose('rejected')"),
        ("an operation", "choose('style')"),
        ("a rare word", "type('7777')"),
        ("two frequent words", "type('wooden boat')"),
        ("worst first", "press('w')"),
    ):
        taken = []
        for _ in range(TIMES):
            page.run("location.hash = location.hash.replace(/&(outcome|operation|text|order)=[^&]*/g, '')")
            page.until(lambda: "found" not in str(page.run("return document.querySelector('.note').textContent")))
            time.sleep(0.5)
            taken.append(float(page.driver.execute_async_script(TIMED, act)))
        yield name, statistics.median(taken)


def measure_page(folder: Path, rows: int) -> None:
    command = [sys.executable, "-m", "dataflow.cli.main", "view", str(folder), "--no_browser"]
    begun = time.monotonic()
    with window() as page, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            begun = time.monotonic()
            address = server.stdout.readline().strip()
            printed = time.monotonic() - begun
            first = seconds_until(page, lambda: page.open(address), lambda: page.find(".card"))
            whole = first + seconds_until(page, lambda: None, lambda: pictures_shown(page))
            print(f"address after {printed:.2f} s; then first rows {first:.2f} s, their pictures {whole:.2f} s")
            total = seconds_until(page, lambda: None, lambda: f"of {rows:,} rows" in page.one(".note").text)
            print(f"all rows are known {first + total:.1f} s after the page was opened")
            page.driver.refresh()
            again = seconds_until(page, lambda: None, lambda: page.find(".card") and pictures_shown(page))
            print(f"opened again, with its pictures: {again:.2f} s")
            for name, seconds in filters(page):
                print(f"{name}: {seconds:.2f} s")
            time.sleep(3)
            now, most = memory_of(server.pid)
            print(f"the server holds {now:.0f} MB, {most:.0f} MB at most")
        finally:
            server.terminate()


def measure_report(folder: Path) -> None:
    target = folder.parent / "report.html"
    command = [sys.executable, "-m", "dataflow.cli.main", "view", str(folder), "--out", str(target)]
    begun = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    print(f"report of 200 rows: {target.stat().st_size / 1e6:.1f} MB in {time.monotonic() - begun:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "run"
        pictures = make_pictures(folder / "pictures")
        make_rows(folder, pictures, options.rows)
        measure_page(folder, options.rows)
        measure_report(folder)


if __name__ == "__main__":
    main()
