"""Measures servers with an undeclared limit, which doubles or halves after three minutes: calls used and calls refused.

python -m benchmarks.api_limits             real servers on loopback, all side by side, six minutes
python -m benchmarks.api_limits --simulate  the same limits in virtual time, 12 seeds each, jitter of 30 or 2 %

Both drive `dataflow.pools.limits`, the first through pools over HTTP. The worker is a bare HTTP client, so that the
machine is no limit. The plot shows calls in flight, and calls answered a minute, over time.
"""

import argparse
import asyncio
import os
import platform
import random
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from PIL import Image, ImageDraw

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Limits, Worker
from dataflow.errors import Failure
from dataflow.pools.executor import LocalExecutor
from dataflow.pools.limits import Limit
from tests.kit.hidden_limits import FixedWindow, HiddenLimit, InFlight, SlidingWindow, TokenBucket
from tests.kit.limit_simulation import Trace, simulate

STEADY = 180.0  # seconds before the limit changes, and after
SETTLED = 60.0  # seconds after which the figures count
PLOT = Path(__file__).parent / "api_limits.png"


@dataclass
class Case:
    """One server, the changes of its limit, and what was measured."""

    kind: str
    make: Callable[[random.Random], HiddenLimit]
    before: int
    after: int
    latency: float = 1.0
    tells: bool = False
    window: float = 60.0
    server: HiddenLimit = field(init=False)
    trace: Trace = field(default_factory=Trace)
    in_flight: list[tuple[float, int]] = field(default_factory=list)
    busy: int = 0

    def __str__(self) -> str:
        of = "" if self.window == 60 else f" of {self.window:g} s"
        return f"{self.kind}{of}{', Retry-After' if self.tells else ''}"

    def most(self, limit: int) -> float:
        """The calls a minute that the server takes at most."""
        return limit * 60 / (self.latency if self.kind == "in flight" else self.window)


def cases() -> list[Case]:
    found = [
        Case("in flight", lambda _, c=c: InFlight(c), c, after)  # type: ignore[misc]
        for c, after in ((1, 2), (2, 1), (8, 16), (8, 4), (64, 128), (64, 32))
    ]
    for limit in (60, 600):
        for after in (2 * limit, limit // 2):
            for tells in (False, True):
                found += [
                    Case("sliding window", lambda _, r=limit: SlidingWindow(r), limit, after, tells=tells),  # type: ignore[misc]
                    Case(
                        "fixed window",
                        lambda rng, r=limit: FixedWindow(r, rng.uniform(0, 60)),  # type: ignore[misc]
                        limit,
                        after,
                        tells=tells,
                    ),
                    Case("token bucket", lambda _, r=limit: TokenBucket(r, r), limit, after, tells=tells),  # type: ignore[misc]
                ]
    found.append(Case("sliding window", lambda _: SlidingWindow(20), 20, 40, latency=12.0))
    for window, limit in ((1, 10), (5, 50), (10, 100), (30, 100)):
        for tells in (False, True):
            found += windows_of(window, limit, tells=tells)
    return found


def windows_of(seconds: int, limit: int, *, tells: bool) -> list[Case]:
    """Servers with both kinds of window, in lengths other than a minute, as proxies have them."""

    def sliding(_: random.Random) -> HiddenLimit:
        return SlidingWindow(limit, seconds)

    def fixed(rng: random.Random) -> HiddenLimit:
        return FixedWindow(limit, rng.uniform(0, seconds), seconds)

    kinds = (("sliding window", sliding), ("fixed window", fixed))
    return [Case(kind, make, limit, 2 * limit, tells=tells, window=seconds) for kind, make in kinds]


class Asking(Worker):
    """A worker that asks one loopback server over HTTP."""

    retry = RetryPolicy(retries=1000)

    def __init__(self, url: str) -> None:
        self.limits = Limits(width=256, width_at_first=16, account=url)
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    def fingerprint(self) -> Mapping[str, JSON]:
        """Nothing is journalled here, so any value will do."""
        return {"url": self._url}

    async def setup(self) -> None:
        """Open connections."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer for one job."""
        assert self._session is not None
        try:
            async with self._session.post(self._url, data=b"{}") as reply:
                await reply.read()
        except aiohttp.ClientError as error:
            return [Answer(error=Failure("retry", str(error), outage=True))]
        if reply.status == 429:
            return [Answer(error=Failure("wait", "429", wait=float(reply.headers.get("Retry-After", "0"))))]
        return [Answer(text="ok")]

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


class Endless:
    """A sink that refills the queue after each answer, so that it is never empty."""

    def starting(self, job: Job, attempt: int) -> bool:
        return True

    def waits(self, job: Job, go_on: Callable[[], None]) -> bool:
        return False

    def retrying(self, job: Job, attempt: int, failure: Failure) -> None:
        pass

    def answered(self, job: Job, attempt: int, answer: Answer) -> None:
        pass

    def broken(self, job: Job, error: BaseException) -> None:
        raise error


async def serve(case: Case, began: float) -> str:
    """Start the case's server; returns its address."""

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        now = time.monotonic() - began
        wait = case.server.refuse(now)
        if wait is not None:
            case.trace.refused.append(now)
            headers = {"Retry-After": f"{wait:.3f}"} if case.tells else {}
            return web.Response(status=429, headers=headers)
        case.trace.let_in.append(now)
        case.busy += 1
        await asyncio.sleep(case.latency)
        case.busy -= 1
        case.server.ended()
        return web.Response(body=b"{}")

    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}/"


async def watch(found: list[Case]) -> None:
    """Run all cases to their end."""
    began = time.monotonic()
    executor = LocalExecutor()
    for case in found:
        case.server = case.make(random.Random(str(case)))
        pool = executor.pool(Asking(await serve(case, began)))
        count = int(3 * (case.most(case.before) + case.most(case.after)) * STEADY / 60) + 2000
        pool.submit([Job(f"{n:064x}", Request(str(n), makes="text")) for n in range(count)], Endless(), begun=False)
    changed = False
    while (now := time.monotonic() - began) < 2 * STEADY:
        if not changed and now >= STEADY:
            changed = True
            for case in found:
                case.server.limit = case.after
        for case in found:
            case.in_flight.append((now, case.busy))
        await asyncio.sleep(0.5)
    report(found)
    plot(found)
    sys.stdout.flush()
    os._exit(0)  # what is in flight is of no interest


def used(case: Case, begin: float, end: float, limit: int) -> str:
    let_in, refused = case.trace.between(begin, end)
    share = 100 * let_in * 60 / (end - begin) / case.most(limit)
    return f"{share:.0f} % | {refused * 60 / (end - begin):.1f} a minute, {100 * refused / (let_in + refused):.1f} %"


def report(found: list[Case]) -> None:
    """Print the table."""
    print(f"python {platform.python_version()}, aiohttp {aiohttp.__version__}, {os.cpu_count()} cores")
    print("| server | limit | used, from 60 s on | refused | limit becomes | used, 60 s after | refused |")
    print("|---|---|---|---|---|---|---|")
    for case in found:
        first = used(case, SETTLED, STEADY, case.before)
        second = used(case, STEADY + SETTLED, 2 * STEADY, case.after)
        at = f" at {case.latency:g} s" if case.latency != 1 else ""
        print(f"| {case}{at} | {case.before} | {first} | {case.after} | {second} |")


def plot(found: list[Case]) -> None:
    """Draw in flight (grey) and answered a minute (black) of each case, the limit's as a red line."""
    wide, high, columns = 300, 110, 4
    rows = -(-len(found) // columns)
    sheet = Image.new("RGB", (columns * wide, rows * high), "white")
    draw = ImageDraw.Draw(sheet)
    for number, case in enumerate(found):
        left, top = number % columns * wide + 8, number // columns * high + 16
        width, height = wide - 16, high - 24
        tallest = 1.5 * max(case.most(case.before), case.most(case.after))
        most_busy = max(1, max(busy for _, busy in case.in_flight))

        def x(at: float, left: int = left, width: int = width) -> float:
            return left + at / (2 * STEADY) * width

        def y(share: float, top: int = top, height: int = height) -> float:
            return top + height * (1 - min(1.0, share))

        draw.line([(x(at), y(busy / most_busy)) for at, busy in case.in_flight], fill="lightgrey")
        rates = [(at, case.trace.between(at - 10, at)[0] * 6 / tallest) for at in range(10, int(2 * STEADY), 5)]
        draw.line([(x(at), y(rate)) for at, rate in rates], fill="black")
        for begin, limit in ((0.0, case.before), (STEADY, case.after)):
            level = y(case.most(limit) / tallest)
            draw.line([(x(begin), level), (x(begin + STEADY), level)], fill="red")
        draw.text((left, top - 14), f"{case}: {case.before}, then {case.after} (peak {most_busy})", fill="black")
    sheet.save(PLOT)
    print(f"-> {PLOT}")


def simulate_all(seeds: int, only: str) -> None:
    """Simulate the same limits in virtual time; prints the worst figures over all seeds and minutes."""
    print("| server | limit | used at least | refused at most, of what is allowed | limit becomes | used | refused |")
    print("|---|---|---|---|---|---|---|")
    for case in cases():
        if not re.match(only, str(case)):
            continue
        shown = []
        for seed in range(seeds):
            rng = random.Random(seed)
            case.server = case.make(rng)
            at = STEADY + rng.uniform(0, 60)
            trace = simulate(
                Limit(256, 16),
                case.server,
                at + STEADY,
                latency=case.latency,
                jitter=0.3 if seed % 2 else 0.02,  # what is regular can hide a limit from those who look for it
                seed=seed,
                tells=case.tells,
                changes={at: case.after},
            )
            parts = []
            for begin, end, limit in ((SETTLED, at, case.before), (at + SETTLED, at + STEADY, case.after)):
                minutes = [trace.between(begin + k, begin + k + 60) for k in range(0, int(end - begin) - 59, 20)]
                parts += [min(let_in for let_in, _ in minutes) / case.most(limit)]
                parts += [max(refused / max(2, 0.02 * (let_in + refused)) for let_in, refused in minutes)]
            shown.append(parts)
        a, b, c, d = zip(*shown, strict=True)
        at_latency = f" at {case.latency:g} s" if case.latency != 1 else ""
        print(f"| {case}{at_latency} | {case.before} | {min(a):.0%} | {max(b):.1f} ", end="")
        print(f"| {case.after} | {min(c):.0%} | {max(d):.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--only", default="", help="cases whose name begins so (a pattern), where the machine is busy")
    options = parser.parse_args()
    if options.simulate:
        simulate_all(options.seeds, options.only)
    else:
        asyncio.run(watch([case for case in cases() if re.match(options.only, str(case))]))


if __name__ == "__main__":
    main()
