"""How requests come together in files, and what a queue does with files, replies and hosts."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest

from dataflow.errors import RowError
from dataflow.pools.executor import close_pools
from dataflow.serving.api.batches.contract import BatchApi, Intervals
from dataflow.serving.api.batches.creating import BatchContext
from dataflow.serving.api.batches.gemini import GeminiBatches
from dataflow.serving.api.batches.openai import OpenAIBatches
from dataflow.serving.api.batches.queue import BatchQueue
from dataflow.serving.api.batches.records import Records
from dataflow.serving.api.batches.transport import Transport
from dataflow.serving.api.failures.attempts import Target
from dataflow.serving.dialects.reply import Post
from tests.chaos.checks import PICTURE
from tests.kit.batch_edits import QUICK, serving_of
from tests.kit.failing import fails
from tests.kit.loopback_batches import BatchServer

KEY = "secret-key-of-the-user"
Api = OpenAIBatches | GeminiBatches


def ids(count: int) -> list[str]:
    return [f"{number:032x}" for number in range(count)]


def post(prompt: str) -> Post:
    return Post("/images/generations", orjson.dumps({"model": "m", "prompt": prompt}))


async def with_queue(
    server: BatchServer,
    folder: Path,
    act: Callable[[BatchQueue, Api], Awaitable[None]],
    intervals: Intervals = QUICK,
    kind: type[Api] = OpenAIBatches,
) -> None:
    address = f"{server.url}/{'v1beta' if kind is GeminiBatches else 'v1'}"

    def asked(path: str) -> Target:
        return Target(address, path, "m", "DF_API_KEY", KEY)

    transport = Transport(address, {"Authorization": f"Bearer {KEY}"}, asked)
    api = kind(transport)
    contract: BatchApi = api
    context = BatchContext(contract, Records(str(folder), {"model": "m"}), intervals, asked("/batches"))
    queue = BatchQueue(context, transport, KEY)
    await queue.open()
    try:
        await act(queue, api)
    finally:
        await queue.close()


async def ask(queue: BatchQueue, request_id: str, prompt: str = "Paint.") -> bytes:
    async with queue.send(request_id, lambda: post(prompt)) as (received, _):
        return bytes(received.body)


@pytest.mark.parametrize(("limit", "value", "batches"), [("most_requests", 4, 3), ("most_bytes", 600, 3)])
def test_a_file_that_is_full_goes_off_and_another_begins(tmp_path: Path, limit: str, value: int, batches: int) -> None:
    async def act(queue: BatchQueue, api: Api) -> None:
        setattr(api, limit, value)
        await asyncio.gather(*(ask(queue, each) for each in ids(10)))

    with BatchServer() as server:
        asyncio.run(with_queue(server, tmp_path, act))
        sizes = [len(held.lines) for held in server.batches.values()]
    assert sum(sizes) == 10
    assert len(sizes) == batches
    assert max(sizes) == 4


def test_a_request_that_fits_into_no_file_fails_alone(tmp_path: Path) -> None:
    async def act(queue: BatchQueue, api: Api) -> None:
        api.most_bytes = 300
        with fails("retry", match="300") as caught:
            await ask(queue, ids(1)[0], "x" * 400)
        assert caught.value.failure.retries == 0
        assert await ask(queue, ids(2)[1])

    with BatchServer() as server:
        asyncio.run(with_queue(server, tmp_path, act))


def test_a_request_whose_picture_is_gone_fails_without_its_neighbours(tmp_path: Path) -> None:
    def broken() -> Post:
        raise RowError("no picture")

    async def act(queue: BatchQueue, api: Api) -> None:
        one, two = ids(2)
        answered = asyncio.create_task(ask(queue, one))
        with pytest.raises(RowError, match="no picture"):
            async with queue.send(two, broken):
                pass
        assert await answered

    with BatchServer() as server:
        asyncio.run(with_queue(server, tmp_path, act))
        assert len(server.submitted) == 1


def test_a_trickle_of_requests_does_not_hold_a_file_back_for_ever(tmp_path: Path) -> None:
    async def act(queue: BatchQueue, api: Api) -> None:
        asked = []
        for each in ids(40):
            asked.append(asyncio.create_task(ask(queue, each)))
            await asyncio.sleep(0.02)  # less than the company a request waits for
        await asyncio.gather(*asked)

    intervals = Intervals(gather=10.0, gather_most=0.2, poll=0.02)
    with BatchServer() as server:
        asyncio.run(with_queue(server, tmp_path, act, intervals))
        assert len(server.batches) > 1
        assert set(server.submitted.values()) == {1}


def test_requests_that_come_while_answers_are_handed_out_share_a_file(tmp_path: Path) -> None:
    async def act(queue: BatchQueue, api: Api) -> None:
        first, *later = ids(6)
        asked = []
        async with queue.send(first, lambda: post("Paint.")):
            for each in later:
                asked.append(asyncio.create_task(ask(queue, each)))
                await asyncio.sleep(0.05)  # longer than the company a request waits for
        await asyncio.gather(*asked)

    with BatchServer() as server:
        asyncio.run(with_queue(server, tmp_path, act, Intervals(gather=0.02, poll=0.02)))
        assert [len(held.lines) for held in server.batches.values()] == [1, 5]


def test_letting_go_drops_what_was_not_sent_and_leaves_the_rest_at_the_provider(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sent, unsent = ids(2)

    async def first(queue: BatchQueue, api: Api) -> None:
        waiting = asyncio.create_task(ask(queue, sent))
        while not server.stages["look"]:
            await asyncio.sleep(0.01)
        other = asyncio.create_task(ask(queue, unsent))
        await asyncio.sleep(0)
        queue.let_go()
        for task, reason in ((waiting, "batch batch-0 goes on"), (other, "not sent")):
            with fails("retry", match=reason) as caught:
                await task
            assert (caught.value.failure.retries, caught.value.failure.maybe_paid) == (0, False)

    async def second(queue: BatchQueue, api: Api) -> None:
        assert await ask(queue, sent)
        assert await ask(queue, unsent)

    with BatchServer(looks=5) as server:
        asyncio.run(with_queue(server, tmp_path, first))
        asyncio.run(with_queue(server, tmp_path, second))
        assert set(server.submitted.values()) == {1}
    assert "1 request goes on in 1 batch at" in caplog.text


def test_how_far_the_batches_are_is_told_while_they_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act(queue: BatchQueue, api: Api) -> None:
        await asyncio.gather(*(ask(queue, each) for each in ids(9)))

    intervals = Intervals(gather=0.02, poll=0.02, report=0.05)
    with BatchServer(looks=8) as server:
        asyncio.run(with_queue(server, tmp_path, act, intervals))
    assert "of 9 requests done" in caplog.text
    assert "each may take 24 hours" in caplog.text


def test_a_batch_the_provider_no_longer_knows_gives_its_requests_back(tmp_path: Path) -> None:
    async def act(queue: BatchQueue, api: Api) -> None:
        waiting = asyncio.create_task(ask(queue, ids(1)[0]))
        while not server.stages["look"]:
            await asyncio.sleep(0.01)
        server.batches.clear()
        with fails("retry", match="no longer knows batch") as caught:
            await waiting
        assert caught.value.failure.maybe_paid
        assert await ask(queue, ids(1)[0])

    with BatchServer(looks=50) as server:
        asyncio.run(with_queue(server, tmp_path, act, Intervals(gather=0.02, poll=0.02)))


def test_answers_the_provider_no_longer_has_give_their_requests_back(tmp_path: Path) -> None:
    async def act(queue: BatchQueue, api: Api) -> None:
        with fails("retry", match="no longer has the answers") as caught:
            await ask(queue, ids(1)[0])
        assert caught.value.failure.maybe_paid

    with BatchServer(refuse={"download": [(404, {"error": {"message": "No such file"}})]}) as server:
        asyncio.run(with_queue(server, tmp_path, act))


def test_a_reply_that_repeats_the_key_is_kept_without_it(tmp_path: Path) -> None:
    async def act(queue: BatchQueue, api: Api) -> None:
        body = await ask(queue, ids(1)[0])
        assert b"[key]" in body
        assert KEY.encode() not in body

    with BatchServer(outcome_for=lambda *_: (200, {"data": [], "note": f"Bearer {KEY}"})) as server:
        asyncio.run(with_queue(server, tmp_path, act))
        assert server.keys == {f"Bearer {KEY}"}


def test_drawings_and_edits_go_into_batches_of_their_own(tmp_path: Path) -> None:
    with BatchServer() as server:
        serving = serving_of(server.url, tmp_path, "images")
        answers = [threading.Thread(target=serving.generate, args=("A wall.", each)) for each in ([], [PICTURE])]
        for each in answers:
            each.start()
        for each in answers:
            each.join()
        close_pools()
        paths = {held.path for held in server.batches.values()}
    assert paths == {"/v1/images/edits", "/v1/images/generations"}
