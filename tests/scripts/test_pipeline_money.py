"""`--max_cost`, `--prices` and `--dry_run` of the example pipelines, as processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.billing import Bill
from tests.kit.loopback import LoopbackServer

ROOT = Path(__file__).parent.parent.parent
PIPELINES = ROOT / "gpu_pipelines"


def run(folder: Path, script: str, *flags: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith("DF_")}
    command = [sys.executable, str(PIPELINES / f"{script}_pipeline.py"), *flags]
    return subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True)


def test_a_dry_run_then_a_limit_then_the_rest(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "models:\n  gemini-3.1-flash-image: {input: 1, output: 30, most_input: 4000, most_output: 1300}\n"
    )
    with LoopbackServer(bill=Bill("1", "30")) as server:
        flags = ("--api_url", server.url, "--prices", "mine.yaml", "--limit", "4")
        dry = run(tmp_path, "image_editing", *flags, "--dry_run")
        assert dry.returncode == 0, dry.stderr
        said = " ".join(dry.stdout.split())
        assert "step 1 (dry run): 4 rows, 4 requests to send, 0 answered already, at most 0." in said
        assert "in all" not in dry.stdout, "one step is no sum"
        assert dry.stdout.endswith(
            "\nafter a run with --limit 5, a dry run says the time by the speed of that run\nnothing was sent\n"
        )
        assert server.requests == 0
        assert not (tmp_path / "cache_local").exists()
        short = run(tmp_path, "image_editing", *flags, "--max_cost", "0.1")
        assert short.returncode == 1
        assert "error: max_cost is 0.1000 USD: 0.0" in short.stderr
        assert server.bill is not None
        assert 0 < server.bill.total() <= 0.1
        full = run(tmp_path, "image_editing", *flags, "--max_cost", "1")
        assert full.returncode == 0, full.stderr
        assert f"{float(server.bill.total()):.4f} USD in all" in full.stdout
        assert " USD per picture" in full.stdout


@pytest.mark.parametrize(
    ("script", "flags", "requests", "assumed"),
    [
        (
            "text_to_image_generation",
            ("--limit", "3"),
            "3 requests",
            "",
        ),
        ("multi_images_to_image_generation", ("--limit", "2"), "6 requests", "2 of the requests"),
        ("image_edit_synthesis", ("--n", "3", "--writer", "templates"), "9 requests", "6 of the requests"),
    ],
)
def test_every_pipeline_can_be_rehearsed(
    tmp_path: Path, script: str, flags: tuple[str, ...], requests: str, assumed: str
) -> None:
    with LoopbackServer() as server:
        done = run(tmp_path, script, "--api_url", server.url, "--dry_run", *flags)
        assert done.returncode == 0, done.stderr
        assert f"{'in all ' if assumed else ''}{requests} to send" in done.stdout
        assert "about 0." in done.stdout
        assert (f"; assumed: {assumed}" if assumed else "(if a picture costs 0.0680 USD,") in done.stdout
        assert server.requests == 0
    assert not (tmp_path / "cache_local").exists()
