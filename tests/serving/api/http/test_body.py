"""Bodies of replies in buffers that are used again."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from dataflow.serving.api.http.body import LARGE_BODY, Body, LargeBuffers, without_secret

SECRET = b"sk-0123456789abcdef"


async def read(large, parts, secret=b""):
    async with AsyncExitStack() as held:
        body = Body(held, large, secret)
        for part in parts:
            await body.add(part)
        whole = body.whole()
        return bytes(whole)


@pytest.mark.parametrize("size", [0, 1, LARGE_BODY - 1, LARGE_BODY, LARGE_BODY + 1, 3 * LARGE_BODY + 17])
@pytest.mark.parametrize("piece", [1000, 65_536, 4 * LARGE_BODY])
def test_a_body_of_any_size_in_pieces_of_any_size_is_put_together(size, piece):
    wanted = bytes(range(256)) * (size // 256 + 1)
    wanted = wanted[:size]
    parts = [wanted[at : at + piece] for at in range(0, size, piece)]
    assert asyncio.run(read(LargeBuffers(1), parts)) == wanted


def test_a_buffer_is_used_again_and_shows_nothing_of_the_reply_before():
    async def run():
        large = LargeBuffers(1)
        sizes = (LARGE_BODY * 3, LARGE_BODY + 1, LARGE_BODY * 2, 100, LARGE_BODY * 4)
        found = [await read(large, [bytes([number]) * size]) for number, size in enumerate(sizes)]
        assert found == [bytes([number]) * size for number, size in enumerate(sizes)]
        async with large.borrow() as buffer:
            return len(buffer)

    assert asyncio.run(run()) == LARGE_BODY * 4


def test_a_buffer_of_a_huge_reply_is_given_back():
    async def run():
        large = LargeBuffers(1)
        await read(large, [bytes(20 << 20)])
        async with large.borrow() as buffer:
            return len(buffer)

    assert asyncio.run(run()) == 0


def test_more_large_bodies_than_buffers_wait_for_one_and_small_ones_do_not():
    async def run():
        large = LargeBuffers(2)
        order = []

        async def hold(name, size, leave):
            async with AsyncExitStack() as held:
                await Body(held, large, b"").add(bytes(size))
                order.append(name)
                await leave.wait()

        leave = asyncio.Event()
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(hold(number, LARGE_BODY + 1, leave))
            small = group.create_task(hold("small", 10, leave))
            while "small" not in order:
                await asyncio.sleep(0)
            begun = list(order)
            leave.set()
        assert small.done()
        return begun, order

    begun, order = asyncio.run(run())
    assert begun == [0, 1, "small"]
    assert order == [0, 1, "small", 2, 3]


def test_a_view_that_is_kept_beyond_its_reply_cannot_be_read():
    async def run():
        async with AsyncExitStack() as held:
            body = Body(held, LargeBuffers(1), b"")
            await body.add(bytes(LARGE_BODY + 1))
            return body.whole()

    view = asyncio.run(run())
    with pytest.raises(ValueError, match="released"):
        bytes(view)


@pytest.mark.parametrize("size", [100, LARGE_BODY * 2])
def test_a_secret_in_a_body_is_cut_out_even_where_two_pieces_meet(size):
    wanted = b"a" * size + SECRET + b"b" * size
    parts = [wanted[: size + 7], wanted[size + 7 :]]
    assert asyncio.run(read(LargeBuffers(1), parts, SECRET)) == b"a" * size + b"[key]" + b"b" * size
    assert asyncio.run(read(LargeBuffers(1), parts, b"")) == wanted


def test_a_secret_of_the_reply_before_is_not_found_behind_the_end():
    async def run():
        large = LargeBuffers(1)
        await read(large, [b"a" * LARGE_BODY * 2 + SECRET], SECRET)
        async with AsyncExitStack() as held:
            body = Body(held, large, SECRET)
            await body.add(b"b" * LARGE_BODY + b"c")
            return isinstance(body.whole(), memoryview)

    assert asyncio.run(run())


def test_no_secret_changes_nothing():
    assert without_secret(b"abc", b"") == b"abc"
