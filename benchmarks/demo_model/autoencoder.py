"""Stage one of training: the autoencoder, which must decode drawings so that the checker can read them.

Shapes fill a seventh of a picture, so their pixels count ninefold in the loss; without that their colours became grey.
A little noise on the latents teaches the decoder to tolerate small errors of the transformer. Each channel of the
latents is pulled to mean 0 and deviation 1, so that the noise has the same strength everywhere.
"""

import logging
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from benchmarks.demo_model.checkpoint import Checkpoint
from benchmarks.demo_model.networks import LATENT_CHANNELS, build_autoencoder
from benchmarks.demo_model.optimiser import Optimiser, Pace
from benchmarks.demo_model.pictures import as_pictures, as_tensor, shape_mask
from dataflow.demo.changes import Draw
from dataflow.demo.checker import agree
from dataflow.demo.edits import TRAINED_PAIRS
from dataflow.demo.reading import read
from dataflow.demo.world import Scene, paint

PACE = Pace(steps=7000, fall=0.5, muon=0.02, adam=3e-3)
BATCH = 16
MEASURED = 512

_TRAINING, _MEASURING = 1, 2
_SHAPE_WEIGHT = 8.0
_LATENT_NOISE = 0.05
_MOMENT_WEIGHT = 0.01
_REPORTED_EVERY = 100

_log = logging.getLogger(__name__)


def train_autoencoder(
    folder: Path, *, seed: int, device: str, pace: Pace = PACE, batch: int = BATCH, measured: int = MEASURED
) -> AutoencoderKL:
    """Trains the autoencoder from its checkpoint, if there is one, to the last step.

    Args:
        folder: the folder of the checkpoint.
        seed: the seed of the weights, the scenes and the noise.
        device: "cpu" or "cuda".
        pace: the number of steps and their step sizes.
        batch: pictures in a batch.
        measured: how many pictures are decoded for the checker at the end, and have their latents measured.
    """
    torch.manual_seed(seed)
    network = build_autoencoder().to(device)
    optimiser = Optimiser([network], pace)
    checkpoint = Checkpoint(folder / "autoencoder.pt", {"network": network, "optimiser": optimiser})
    checkpoint.restore()
    while checkpoint.step < pace.steps:
        step = checkpoint.step
        chance = torch.Generator().manual_seed(seed * 1_000_003 + step)
        loss, off = _losses(network, drawn_scenes(seed, step, batch), chance, device)
        torch.autograd.backward(loss)
        optimiser.move(step)
        checkpoint.advance(last=step + 1 == pace.steps)
        if step % _REPORTED_EVERY == 0 or step + 1 == pace.steps:
            figures = (step, float(loss.detach()), off, checkpoint.hours)
            _log.info("autoencoder step %d loss %.4f shapes off by %.1f of 255, %.2f hours", *figures)
    settle(network, seed, device, measured)
    share = readable_share(network, seed, device, measured)
    _log.info("autoencoder done: the checker reads %.1f %% of its pictures, %.2f hours", 100 * share, checkpoint.hours)
    return network.eval().requires_grad_(False)


def drawn_scenes(seed: int, step: int, count: int, *, stream: int = _TRAINING) -> list[Scene]:
    """The scenes of one batch; none shows a held-out pair."""
    draw = Draw(np.random.default_rng([seed, stream, step]), TRAINED_PAIRS, "en")
    return [draw.scene() for _ in range(count)]


def encode(network: AutoencoderKL, pictures: Tensor) -> Tensor:
    """The latents that the pipelines compute for pictures (n, 3, height, width), before shift and scale."""
    latents: Tensor = network.encode(pictures).latent_dist.mode()
    return latents


@torch.no_grad()
def readable_share(network: AutoencoderKL, seed: int, device: str, count: int = MEASURED) -> float:
    """The share of drawings that the checker still reads as their scene after encoding and decoding."""
    scenes = drawn_scenes(seed, 0, count, stream=_MEASURING)
    right = 0
    for start in range(0, count, 64):
        part = scenes[start : start + 64]
        pictures = as_tensor([paint(scene) for scene in part]).to(device)
        seen = as_pictures(network.decode(encode(network, pictures), return_dict=False)[0])
        right += sum(agree(read(picture), scene) for picture, scene in zip(seen, part, strict=True))
    return right / count


@torch.no_grad()
def settle(network: AutoencoderKL, seed: int, device: str, count: int = MEASURED) -> None:
    """Measures mean and deviation of the latents, and writes them into the configuration, where pipelines read them."""
    scenes = drawn_scenes(seed, 0, count, stream=_MEASURING)
    latents = encode(network, as_tensor([paint(scene) for scene in scenes]).to(device))
    network.register_to_config(shift_factor=float(latents.mean()), scaling_factor=float(1 / latents.std()))


def _losses(network: AutoencoderKL, scenes: list[Scene], chance: torch.Generator, device: str) -> tuple[Tensor, float]:
    """The loss of a batch, and by how many levels of 255 the pixels of its shapes are wrong on average."""
    painted = [paint(scene) for scene in scenes]
    pictures = as_tensor(painted).to(device)
    shapes = torch.from_numpy(np.stack([shape_mask(*pair) for pair in zip(scenes, painted, strict=True)]))
    shapes = shapes[:, None].float().to(device)
    latents = network.encoder(pictures)[:, :LATENT_CHANNELS]
    noise = torch.randn(latents.shape, generator=chance).to(device)
    error = network.decoder(latents + _LATENT_NOISE * noise) - pictures
    weights = 1 + _SHAPE_WEIGHT * shapes
    loss = ((error.abs() + error.square()) * weights).mean() / weights.mean()
    moments = latents.mean((0, 2, 3)).square() + (latents.var((0, 2, 3)) - 1).square()
    off = (error.detach().abs() * shapes).sum() / shapes.sum() / 3 * 127.5
    return loss + _MOMENT_WEIGHT * moments.mean(), float(off)
