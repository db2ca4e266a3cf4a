"""Asks a worker once, without the pool's retries, on an event loop of its own."""

import asyncio

from dataflow.core.records import Answer, Job, Request
from dataflow.core.worker import Worker

ID = "ab" * 16


def ask_once(worker: Worker, request: Request) -> Answer:
    (answer,) = ask_each_once(worker, [request])
    return answer


def ask_each_once(worker: Worker, requests: list[Request]) -> list[Answer]:
    async def run() -> list[Answer]:
        worker.prepare()
        worker.settle()
        await worker.setup()
        try:
            return [(await worker.call([Job(ID, request)]))[0] for request in requests]
        finally:
            await worker.close()

    return asyncio.run(run())
