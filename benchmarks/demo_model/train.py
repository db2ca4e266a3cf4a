"""Trains the demo model: `python -m benchmarks.demo_model.train --out DIR`.

The training may be killed at any time; the same command then continues from DIR's checkpoints and repeats three minutes
at most. DIR/model is the finished pipeline. The result follows from the seed, except for the rounding of sums, which
differs between machines.
"""

import argparse
import logging
from pathlib import Path

import torch

from benchmarks.demo_model import autoencoder, flow
from benchmarks.demo_model.autoencoder import train_autoencoder
from benchmarks.demo_model.data import Pool
from benchmarks.demo_model.evaluate import answers, examples, scores, table
from benchmarks.demo_model.flow import Flow, Mix, train_flow
from benchmarks.demo_model.networks import build_pipeline, save_pipeline
from benchmarks.demo_model.optimiser import Pace
from benchmarks.demo_model.tokenizer import build_tokenizer
from dataflow.demo.edits import SHARES

_REPORTED_EVERY = 100
_MEASURED_EVERY = 1000
_MEASURED = 200

_log = logging.getLogger(__name__)


def train(
    out: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    first: Pace = autoencoder.PACE,
    second: Pace = flow.PACE,
    mix: Mix | None = None,
    shard: int = 8192,
    measured: int = _MEASURED,
    readable: int = autoencoder.MEASURED,
) -> Path:
    """Trains both stages and returns the folder of the finished pipeline.

    Args:
        out: the folder of checkpoints, encoded examples and the model; it is made if it is missing.
        seed: the seed of everything random.
        device: "cpu" or "cuda".
        first: the steps of the first stage, the autoencoder's.
        second: the steps of the second stage, the transformer's.
        mix: the examples of a step of the second stage; None for the default.
        shard: examples in a file of encoded examples.
        measured: how many pictures are checked every thousand steps.
        readable: how many pictures the autoencoder is measured with.
    """
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer()
    vae = train_autoencoder(out, seed=seed, device=device, pace=first, measured=readable)
    pool = Pool(out, seed, autoencoder=vae, tokenizer=tokenizer, shard=shard)
    losses: list[float] = []

    def report(step: int, loss: float, state: Flow) -> None:
        losses.append(loss)
        if step % _REPORTED_EVERY == 0 or step == second.steps:
            recent = losses[-_REPORTED_EVERY:]
            hours = state.checkpoint.hours
            _log.info("transformer step %d loss %.4f, %.2f hours", step, sum(recent) / len(recent), hours)
        if step % _MEASURED_EVERY == 0 or step == second.steps:
            pipeline = build_pipeline(vae, state.average, tokenizer)
            asked = examples("seen", measured, tuple(SHARES))
            _log.info("accuracy at step %d\n%s", step, table(scores(asked, answers(pipeline, asked))))

    finished = train_flow(
        out, pool, vocabulary=len(tokenizer), seed=seed, device=device, report=report, pace=second, mix=mix
    )
    model = out / "model"
    save_pipeline(build_pipeline(vae, finished.average, tokenizer), model)
    _log.info("the finished pipeline is %s", model)
    return model


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo_model.train", description="Train the demo model.")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and of the finished model")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default 0)")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: torch's)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if options.threads:
        torch.set_num_threads(options.threads)
    # Denormal numbers slow CPU convolutions down tenfold and change nothing.
    torch.set_flush_denormal(True)
    train(options.out, seed=options.seed, device=options.device)


if __name__ == "__main__":
    main()
