"""10,000 pictures of 1 KB from a server that fails half the time: what becomes of the rows, counted by the server.

python -m benchmarks.faults

The server injects 10 % each of HTTP 429, HTTP 500, connections reset before the reply, bodies that are no JSON and
streams that end early. It runs in this process, so the speed is that of both together.
"""

import argparse
import tempfile
import time
from pathlib import Path

from dataflow.io import ImageIO
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.kit.faults import Faults, draw_rows
from tests.kit.loopback import LoopbackServer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    rows = parser.parse_args().rows
    faults = Faults()
    with (
        tempfile.TemporaryDirectory(prefix="faults-") as name,
        LoopbackServer(act_for=faults, size=(24, 24), remember=False) as server,
    ):
        folder = Path(name)
        serving = APIVLMServing_openai(
            server.url, model_name="loopback", image_io=ImageIO(str(folder / "made")), send_request_stream=True
        )
        began = time.monotonic()
        outcome = draw_rows(folder, serving, rows)
        seconds = time.monotonic() - began
    print(outcome.summary)
    print(f"{seconds:.0f} s, at most {server.peak} in flight")
    given_up, injected = outcome.given_up.total(), faults.injected.total()
    print(f"injected: {dict(faults.injected)}, {injected:,} in all")
    print(f"{outcome.pictures:,} rows with their picture, {given_up:,} given up; not accounted for: ", end="")
    print(rows - outcome.pictures - given_up)
    for reason, times in outcome.given_up.most_common():
        print(f"  {times:,} x {reason}")
    print(f"requests by the server's count {server.requests:,} = {rows:,} rows + {injected:,} faults - {given_up:,}")
    assert server.requests == outcome.summary.requests == rows + injected - given_up
    assert outcome.summary.maybe_paid == faults.injected["reset"] + faults.injected["truncated"]


if __name__ == "__main__":
    main()
