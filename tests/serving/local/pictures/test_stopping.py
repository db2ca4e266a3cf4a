"""What a stopping run waits for."""

import threading
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from dataflow.core.loop import submit
from dataflow.core.records import Request
from tests.kit.pipelines import serving
from tests.kit.tiny import WAIT, as_jobs, running

Checkpoints = Callable[[str], Path]


def test_a_run_that_stops_waits_for_the_call_that_is_drawn_and_no_other(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    drawing, go_on = threading.Event(), threading.Event()

    class Waiting(AutoencoderKL):
        def decode(self, z: torch.Tensor, *more: object, **named: object) -> object:
            drawing.set()
            assert go_on.wait(WAIT)
            return super().decode(z, *more, **named)

    vae = Waiting.from_pretrained(checkpoint("flux") / "vae")
    made = serving(checkpoint("flux"), tmp_path, pipe_kwargs={"vae": vae})
    jobs = as_jobs(tuple(Request(prompt) for prompt in "abc"))
    with running(made) as ask:
        first = submit(made.call(jobs[:1]))
        assert drawing.wait(WAIT)
        rest = [submit(made.call([job])) for job in jobs[1:]]
        submit(stop(made)).result(WAIT)
        go_on.set()
        assert first.result(WAIT)[0].error is None
        for one in rest:
            (answer,) = one.result(WAIT)
            assert answer.error.kind == "retry"
            assert "a run is stopping" in str(answer.error)
        assert ask(jobs[1].request)[0].error is None


async def stop(made: object) -> None:
    made.let_go()  # type: ignore[attr-defined]
