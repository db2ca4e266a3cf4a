"""Stage two of training: the transformer and its text encoders, by flow matching on encoded examples.

Times are logit-normal and mostly near the noisy end, where the model decides what to draw; latents on shapes count
threefold. Texts are cut to the longest text of their batch. Their few padding tokens get the weight of all the padding
that the pipelines would add, so the model learns every padded length from LENGTH to 512 at the cost of the shortest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.demo_model.checkpoint import SAVE_EVERY, Checkpoint, Stateful
from benchmarks.demo_model.data import CELLS, Encoded, Pool
from benchmarks.demo_model.networks import TEXT_REACH, Networks, build_networks
from benchmarks.demo_model.optimiser import Optimiser, Pace
from benchmarks.demo_model.tokenizer import LENGTH, PAD_ID

PACE = Pace(steps=12800, fall=0.25, muon=0.005, adam=3e-3)

_OUTER = ("x_embedder", "context_embedder", "proj_out")
_TIME_MEAN, _TIME_DEVIATION = 2.2, 1.5
_SHAPE_WEIGHT = 2.0
_LONGEST_PADDING = 512
_SLOWEST_AVERAGE = 0.9995


@dataclass(frozen=True, slots=True)
class Mix:
    """The examples of a training step.

    Args:
        counts: the number of examples with no, with one and with two source pictures.
        shards: the most files that the pool has in the end.
        steps_per_shard: steps before the next file is added.
    """

    counts: tuple[int, int, int] = (16, 44, 4)
    shards: int = 48
    steps_per_shard: int = 400


@dataclass(frozen=True, slots=True)
class Flow:
    """The state of stage two.

    Args:
        networks: the networks in training.
        average: their running average, which becomes the demo model.
        checkpoint: keeps both, and counts the steps.
    """

    networks: Networks
    average: Networks
    checkpoint: Checkpoint


def train_flow(
    folder: Path,
    pool: Pool,
    *,
    vocabulary: int,
    seed: int,
    device: str,
    report: Callable[[int, float, Flow], None],
    pace: Pace = PACE,
    mix: Mix | None = None,
    save_every: float = SAVE_EVERY,
) -> Flow:
    """Trains from the checkpoint, if there is one, to the last step.

    Args:
        folder: the folder of the checkpoint.
        pool: the examples.
        vocabulary: the number of the tokenizer's tokens.
        seed: the seed of the weights, the choice of examples, the times and the noise.
        device: "cpu" or "cuda".
        report: called after each step with the step's number (from 1), its loss and the state.
        pace: the number of steps and their step sizes.
        mix: the examples of a step; None for the default.
        save_every: seconds between checkpoints.
    """
    torch.manual_seed(seed)
    networks, average = build_networks(vocabulary).to(device), build_networks(vocabulary).to(device)
    average.load_state_dict(networks.state_dict())
    average.requires_grad_(False)
    optimiser = Optimiser(networks.children(), pace, outer=_OUTER)
    parts: dict[str, Stateful] = {"networks": networks, "average": average, "optimiser": optimiser}
    flow = Flow(networks, average, Checkpoint(folder / "transformer.pt", parts, every=save_every))
    flow.checkpoint.restore()
    mix = mix or Mix()
    while flow.checkpoint.step < pace.steps:
        step = flow.checkpoint.step
        pool.grow_to(min(mix.shards, 1 + step // mix.steps_per_shard))
        loss = _backward(networks, pool, mix, torch.Generator().manual_seed(seed * 1_000_003 + step))
        optimiser.move(step)
        networks.keep_padding_silent()
        _follow(average, networks, min(_SLOWEST_AVERAGE, (step + 1) / (step + 10)))
        flow.checkpoint.advance(last=step + 1 == pace.steps)
        report(step + 1, loss, flow)
    return flow


def _backward(networks: Networks, pool: Pool, mix: Mix, chance: torch.Generator) -> float:
    """Adds up the gradients of one step, and returns the step's loss."""
    total = 0.0
    for pictures, count in enumerate(mix.counts):
        rows = pool.by_pictures.get(pictures)
        if rows is None or not count:
            continue
        batch = rows.chosen(torch.randint(len(rows.words), (count,), generator=chance))
        # The batch is split into shorter and longer texts; otherwise half of the text tokens would be padding.
        by_length = (batch.words != PAD_ID).sum(dim=1).argsort(stable=True)
        for half in by_length.chunk(2 if count > 16 else 1):
            loss = flow_loss(networks, batch.chosen(half), chance) * (len(half) / sum(mix.counts))
            torch.autograd.backward(loss)
            total += float(loss.detach())
    return total


def flow_loss(networks: Networks, batch: Encoded, chance: torch.Generator) -> Tensor:
    """The mean squared difference of predicted and true velocities, in which latents on shapes count threefold."""
    device = networks.transformer.device
    target = batch.targets.float()
    noise = torch.randn(target.shape, generator=chance)
    time = torch.sigmoid(_TIME_MEAN + _TIME_DEVIATION * torch.randn(len(target), generator=chance))
    mixed = target + time[:, None, None] * (noise - target)
    longest = float(torch.empty(1).uniform_(LENGTH**0.5, _LONGEST_PADDING**0.5, generator=chance)) ** 2
    words = batch.words.long()
    lengths = (words != PAD_ID).sum(dim=1)
    kept = int(lengths.max()) + 1
    words = torch.nn.functional.pad(words[:, :kept], (0, TEXT_REACH), value=PAD_ID).to(device)
    shown = torch.cat([mixed, batch.sources.float()], dim=1).to(device)
    velocity = networks.transformer(
        hidden_states=shown,
        timestep=time.to(device),
        pooled_projections=networks.clip(input_ids=words[:, :kept]).pooler_output,
        encoder_hidden_states=networks.t5(input_ids=words)[0][:, :kept],
        txt_ids=torch.zeros(kept, 3, device=device),
        img_ids=position_ids(batch.sources.shape[1]).to(device),
        joint_attention_kwargs={"attention_mask": padding_weight(lengths, kept, longest, shown.shape[1]).to(device)},
        return_dict=False,
    )[0][:, : target.shape[1]]
    weights = 1 + _SHAPE_WEIGHT * batch.shapes.float().tile(1, 1, target.shape[2] // 4)
    error = (velocity - (noise - target).to(device)).square() * weights.to(device)
    loss: Tensor = error.mean() / weights.mean().to(device)
    return loss


def position_ids(source_tokens: int) -> Tensor:
    """The position ids of FluxKontextPipeline, (16 + source tokens, 3); a source's first coordinate is 1."""
    half = CELLS // 2
    ids = torch.zeros(half * half + source_tokens, 3)
    for first, tokens, source in ((0, half * half, 0), (half * half, source_tokens, 1)):
        place = torch.arange(tokens)
        width = max(1, tokens // half)
        ids[first : first + tokens] = torch.stack([torch.full_like(place, source), place // width, place % width], 1)
    return ids


def padding_weight(lengths: Tensor, kept: int, longest: float, pictures: int) -> Tensor:
    """What is added to attention scores, (n, 1, 1, tokens), so that the few padding tokens weigh as much as `longest`.

    Args:
        lengths: (n,) tokens of each text without padding.
        kept: tokens of each text in this batch, padding included.
        longest: the padded length that the batch stands for.
        pictures: picture tokens, whose scores stay as they are.
    """
    present = kept - lengths
    weight = torch.log((longest - lengths) / present)[:, None]
    scores = torch.where(torch.arange(kept)[None] >= lengths[:, None], weight, torch.zeros(()))
    return torch.nn.functional.pad(scores, (0, pictures))[:, None, None, :]


@torch.no_grad()
def _follow(average: Networks, networks: Networks, share: float) -> None:
    """Moves the running average towards the weights; `share` of the average stays."""
    for kept, weight in zip(average.parameters(), networks.parameters(), strict=True):
        kept.lerp_(weight, 1 - share)
