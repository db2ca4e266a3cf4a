"""Measures the speed and memory of `dataflowmm import` on a parquet file with pictures, and of a second import.

The file is written as `datasets` writes one: structs of bytes and path, groups of 100 rows, two pictures a row. The
pictures are JPEGs of noise, so nothing is packed twice.

    python -m benchmarks.ingest                     # 2 GB, in /tmp/ingest; a minute or two
    python -m benchmarks.ingest --megabytes 200
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = "benchmarks.ingest"
COLUMNS = "images=source_image,instruction=edit_instruction,edited=edited_image"


def make(path: Path, megabytes: int, side: int, group: int) -> None:
    """Write a parquet file of about a size."""
    import io

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    random = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(buffer, "JPEG", quality=60)
    whole = buffer.getvalue()

    def picture() -> dict[str, object]:
        comment = random.bytes(24).hex().encode()
        return {"bytes": whole[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + whole[2:], "path": None}

    image = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
    schema = pa.schema([("source_image", image), ("edit_instruction", pa.string()), ("edited_image", image)])
    rows = (megabytes << 20) // (2 * len(whole))
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, rows, group):
            some = [
                {"source_image": picture(), "edit_instruction": f"paint it {row}", "edited_image": picture()}
                for row in range(first, min(first + group, rows))
            ]
            writer.write_table(pa.Table.from_pylist(some, schema))


def run(path: Path, out: Path) -> None:
    """Import once, and print seconds and memory as JSON."""
    from dataflow.ingest.run import import_rows

    began, cpu = time.monotonic(), time.process_time()
    done = import_rows(str(path), out, columns=COLUMNS)
    seconds = time.monotonic() - began
    found = {
        "rows": done.rows,
        "stored": done.stored,
        "known": done.known,
        "seconds": round(seconds, 1),
        "MB/s": round(path.stat().st_size / 1e6 / seconds),
        "cpu": round(time.process_time() - cpu, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(found), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--side", type=int, default=768, help="of each picture, in pixels")
    parser.add_argument(
        "--group", type=int, default=100, help="rows in a group; datasets writes 100, pandas all in one"
    )
    parser.add_argument("--folder", type=Path, default=Path("/tmp/ingest"))
    parser.add_argument("--phase", choices=("make", "run"))
    options = parser.parse_args()
    folder = options.folder.absolute()
    data, out = folder / "train-00000.parquet", folder / "out" / "rows.jsonl"
    if options.phase == "make":
        make(data, options.megabytes, options.side, options.group)
    elif options.phase:
        run(data, out)
    else:
        flags = [f"--{name}={getattr(options, name)}" for name in ("megabytes", "side", "group", "folder")]
        if not data.exists():
            subprocess.run([sys.executable, "-m", PROGRAM, *flags, "--phase=make"], check=True)
        for name in ("first", "again"):
            print(f"{name:<6}", end=" ", flush=True)
            subprocess.run([sys.executable, "-m", PROGRAM, *flags, "--phase=run"], check=True)
        shutil.rmtree(out.parent)


if __name__ == "__main__":
    main()
