"""Makes the training data of the transformer: examples whose pictures are encoded once, in files of 8,192 examples.

A quarter of the examples draws, the rest edits. Files are added one at a time, so training starts after the first; a
file that an earlier run wrote is read instead of made again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, FluxKontextPipeline
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from benchmarks.demo_model.autoencoder import encode
from benchmarks.demo_model.checkpoint import save_whole
from benchmarks.demo_model.networks import DOWNSCALING
from benchmarks.demo_model.pictures import as_tensor, shape_mask, stitched
from benchmarks.demo_model.tokenizer import LENGTH
from dataflow.demo.edits import Example, make_example
from dataflow.demo.world import SIDE, paint

SHARD = 8192
CELLS = SIDE // DOWNSCALING
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Encoded:
    """Encoded examples that all have the same number of source pictures.

    Args:
        words: (n, LENGTH) token ids, int16.
        targets: (n, 16, 4 * channels) packed latents of the target picture, fp16.
        sources: (n, 16 * pictures, 4 * channels) packed latents of the source pictures, fp16.
        shapes: (n, 16, 4) whether a latent lies on a shape of the target or of the last source.
    """

    words: Tensor
    targets: Tensor
    sources: Tensor
    shapes: Tensor

    def chosen(self, rows: Tensor) -> "Encoded":
        """The given rows, in the given order."""
        return Encoded(*(getattr(self, field.name)[rows] for field in fields(self)))

    @staticmethod
    def joined(parts: Iterable["Encoded"]) -> "Encoded":
        """The rows of all parts."""
        rows = list(parts)
        return Encoded(*(torch.cat([getattr(part, field.name) for part in rows]) for field in fields(Encoded)))


class Pool:
    """All examples that are encoded so far, by their number of source pictures.

    Args:
        folder: the folder of the files.
        seed: the seed of the examples.
        autoencoder: encodes the pictures; it is trained, and its latents are measured (`settle`).
        tokenizer: splits the instructions into tokens.
        shard: examples in a file.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        autoencoder: AutoencoderKL,
        tokenizer: PreTrainedTokenizerFast,
        shard: int = SHARD,
    ) -> None:
        self.by_pictures: dict[int, Encoded] = {}
        self._folder = folder
        self._seed = seed
        self._autoencoder = autoencoder
        self._tokenizer = tokenizer
        self._shard = shard
        self._shards = 0

    def grow_to(self, shards: int) -> None:
        """Adds files until there are `shards` of them."""
        while self._shards < shards:
            path = self._folder / f"examples-{self._shards:03}.pt"
            if not path.exists():
                save_whole(self._encoded(self._shards), path)
            for pictures, rows in torch.load(path, weights_only=True).items():
                new = Encoded(**rows)
                old = self.by_pictures.get(pictures)
                self.by_pictures[pictures] = Encoded.joined([old, new]) if old else new
            self._shards += 1

    def _encoded(self, shard: int) -> dict[int, dict[str, Tensor]]:
        first = shard * self._shard
        examples = [make_example(self._seed, index) for index in range(first, first + self._shard)]
        parts = {}
        for pictures in sorted({len(example.sources) for example in examples}):
            chosen = [example for example in examples if len(example.sources) == pictures]
            parts[pictures] = encoded(chosen, self._autoencoder, self._tokenizer)
        return {
            pictures: {field.name: getattr(part, field.name) for field in fields(part)}
            for pictures, part in parts.items()
        }


def encoded(examples: list[Example], autoencoder: AutoencoderKL, tokenizer: PreTrainedTokenizerFast) -> Encoded:
    """Encodes examples that all have the same number of source pictures."""
    batches = [examples[start : start + _AT_ONCE] for start in range(0, len(examples), _AT_ONCE)]
    return Encoded.joined(_encoded_batch(batch, autoencoder, tokenizer) for batch in batches)


@torch.no_grad()
def _encoded_batch(examples: list[Example], autoencoder: AutoencoderKL, tokenizer: PreTrainedTokenizerFast) -> Encoded:
    targets = _packed(autoencoder, [paint(example.target) for example in examples])
    sources = targets[:, :0]
    if examples[0].sources:
        sources = _packed(autoencoder, [stitched(example.sources) for example in examples])
    texts = [example.instruction for example in examples]
    words = tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt").input_ids
    shapes = torch.from_numpy(np.stack([_shape_cells(example) for example in examples]))
    return Encoded(words.to(torch.int16), targets, sources, shapes)


def _packed(autoencoder: AutoencoderKL, pixels: list[np.ndarray]) -> Tensor:
    """The latents of pictures as the pipelines pass them to the transformer, in fp16."""
    latents = encode(autoencoder, as_tensor(pixels).to(autoencoder.device))
    latents = (latents - autoencoder.config.shift_factor) * autoencoder.config.scaling_factor
    packed: Tensor = FluxKontextPipeline._pack_latents(latents, *latents.shape)
    return packed.half().cpu()


def _shape_cells(example: Example) -> np.ndarray:
    """(16, 4): whether a shape touches each latent, in packed order."""
    touched = np.zeros((SIDE, SIDE), dtype=np.bool_)
    for scene in (example.target, *example.sources[-1:]):
        touched |= shape_mask(scene, paint(scene))
    cells = touched.reshape(CELLS, DOWNSCALING, CELLS, DOWNSCALING).any(axis=(1, 3))
    half = CELLS // 2
    return cells.reshape(half, 2, half, 2).transpose(0, 2, 1, 3).reshape(half * half, 4)
