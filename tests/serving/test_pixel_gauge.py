"""The worker that measures: what it answers, and what it refuses."""

import asyncio
from pathlib import Path

from dataflow.core.records import Answer, Job, Request
from dataflow.gates.measured import VERSION, read_measures
from dataflow.serving.pixel_gauge import PixelGauge, gauging
from tests.kit.flow import draw, facts_of


def answer(request: Request, *facts: Path) -> Answer:
    job = Job("0" * 32, request, tuple(facts_of(path) for path in facts))
    return asyncio.run(PixelGauge().call([job]))[0]


def test_the_picture_before_the_mask_is_the_edit(tmp_path: Path) -> None:
    red, blue, mask = (str(draw(tmp_path / f"{name}.png", name)) for name in ("red", "blue", "white"))
    plain, masked = answer(gauging([red], blue)), answer(gauging([red], blue, mask))
    assert (read_measures(plain.text).coarse, read_measures(plain.text).outside) == (255, None)
    assert (read_measures(masked.text).coarse, read_measures(masked.text).outside) == (255, 0)
    assert read_measures(answer(gauging([red, blue], blue)).text).coarse == 0


def test_a_picture_that_changed_since_it_was_planned_fails_its_row_alone(tmp_path: Path) -> None:
    red, blue = draw(tmp_path / "red.png", "red"), draw(tmp_path / "blue.png", "blue")
    request, job_facts = gauging([str(red)], str(blue)), (facts_of(red), facts_of(red))
    (changed, well) = asyncio.run(
        PixelGauge().call([Job("0" * 32, request, job_facts), Job("1" * 32, gauging([str(red)], str(red)))])
    )
    assert changed.error is not None
    assert (changed.error.kind, "changed while the step ran" in changed.error.reason) == ("retry", True)
    assert well.error is None


def test_another_request_stops_the_run(tmp_path: Path) -> None:
    red = str(draw(tmp_path / "red.png"))
    for request in (Request("Is it sharp?", (red, red), makes="text"), gauging([], red)):
        error = answer(request).error
        assert error is not None
        assert (error.kind, "gauging(...)" in error.reason) == ("fatal", True)


def test_as_many_pictures_as_said_are_measured_at_once() -> None:
    assert PixelGauge(threads=3).limits.width == 3
    assert PixelGauge().limits.width >= 1
    assert PixelGauge(threads=3).fingerprint() == {"model": "pixel-gauge", "revision": VERSION}
