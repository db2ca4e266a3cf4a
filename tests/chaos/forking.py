"""Processes that begin at once: forked from a server that has imported the libraries, which takes longer than a run."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess

# One server serves all tests of a session, so it imports what any of them needs.
IMPORTS = ["tests.chaos.edit_once", "tests.chaos.draw_and_edit", "dataflow.serving.api.http.endpoint"]
IMPORTS += ["openai", "PIL.Image", "diffusers.pipelines.flux.pipeline_flux_kontext", "accelerate"]
server = multiprocessing.get_context("forkserver")


def begin(target: Callable[..., None], *arguments: object) -> ForkServerProcess:
    """Start a process; its `exitcode` is negative if a signal ended it."""
    server.set_forkserver_preload(IMPORTS)
    process = server.Process(target=target, args=arguments)
    process.start()
    return process
