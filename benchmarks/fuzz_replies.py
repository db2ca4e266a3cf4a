"""Damaged replies by the hundred thousand: what becomes of them, how long one takes, what they leave in memory.

python -m benchmarks.fuzz_replies --cases 100000

Case number n is the same in every run (`tests/kit/fuzz.py`), so a case that fails is found again by its number. Every
reply is decoded, its failure classified, its pictures verified and stored, as the serving does; the test of the same
name sends some of them over a connection, too. Ends with 1 if any case became what it may not become.
"""

import argparse
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from dataflow.io import ImageIO
from dataflow.serving.api.http.memory import return_large_buffers
from tests.kit.fuzz import make_case
from tests.serving.api.test_fuzzed_replies import become, check

SHOWN = 20


def peak() -> float:
    """Most megabytes this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def held() -> float:
    """Megabytes it holds now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() / (1 << 20)


def main() -> int:
    parser = argparse.ArgumentParser(description="Decode damaged replies and check what becomes of them.")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    options = parser.parse_args()
    became: Counter[str] = Counter()
    wrong: list[int] = []
    slowest = (0.0, 0)
    largest = (0.0, 0)
    return_large_buffers()  # as the serving does
    memory = [held()]
    begun = time.process_time()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        image_io = ImageIO(save_path=folder)
        for number in range(options.first, options.first + options.cases):
            case = make_case(random.Random(number))
            since, before = time.process_time(), peak()
            try:
                outcome = become(case, image_io)
                slowest = max(slowest, (time.process_time() - since, number))
                check(case, outcome)
                became[type(outcome).__name__] += 1
            except Exception as error:  # noqa: BLE001 - a crash is what is looked for
                wrong.append(number)
                if len(wrong) <= SHOWN:
                    print(f"case {number}: {type(error).__name__}: {str(error)[:1000]}")
            largest = max(largest, (peak() - before, number))
            if (number + 1 - options.first) % max(1, options.cases // 5) == 0:
                memory.append(held())
    seconds = time.process_time() - begun
    each = 1000 * seconds / options.cases
    print(f"{options.cases} cases, {len(wrong)} wrong; {seconds:.0f} CPU seconds, {each:.2f} ms each")
    print(f"slowest reply: {1000 * slowest[0]:.0f} ms (case {slowest[1]})")
    print(f"memory at the start and after each fifth: {', '.join(f'{each:.0f}' for each in memory)} MB")
    print(f"peak: {peak():.0f} MB; the largest step to it was {largest[0]:.0f} MB (case {largest[1]})")
    print(", ".join(f"{name} {count}" for name, count in became.most_common()))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
