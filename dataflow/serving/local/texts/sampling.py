"""Choosing each next token so that a row's answer depends on nothing but the row.

transformers samples a whole batch from one stream of random numbers, and its repetition penalty counts the
padding, so there a row's answer depends on the rows beside it. Here every row has its own stream, one number
per token, drawn on the CPU and so the same on every device; padding counts for nothing. What is left is
rounding: a batch's logits differ from a single row's in their last bits, which now and then turns a near tie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen.

    Args:
        temperature: 0 takes the likeliest token.
        top_p: only the likeliest tokens that together have this probability.
        top_k: only so many of the likeliest; 0 for all.
        min_p: only tokens with at least this share of the likeliest one's probability.
        repetition_penalty: above 1: what the row already holds becomes less likely.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0


class RowSampler:
    """A logits processor after which only the chosen token of each row is possible.

    Attributes:
        broken: n; whether a row's logits were not numbers, as where a dtype is too small for the model.

    Args:
        sampling: the same for all rows.
        seeds: n, one per row.
        attention_mask: n x prompt length; 0 where a row is padded, on the left.
        most: tokens that will be asked for at most.
    """

    def __init__(self, sampling: Sampling, seeds: Sequence[int], attention_mask: "Tensor", most: int) -> None:
        import torch

        self._sampling = sampling
        self._mask = attention_mask.bool()
        # float32 below 1: its product with a float64 sum stays below that sum.
        streams = [torch.rand(most, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        self._draws = torch.stack(streams).to(attention_mask.device)
        self.broken = torch.zeros(len(seeds), dtype=torch.bool, device=attention_mask.device)

    def __call__(self, input_ids: "Tensor", scores: "Tensor") -> "Tensor":
        """The scores of each next token: 0 for the chosen one, minus infinity for all others.

        Args:
            input_ids: n x (prompt length + tokens so far).
            scores: n x vocabulary, logits.
        """
        import torch

        logits = self._penalised(input_ids, scores.float())
        lost = logits.isnan().any(-1)
        self.broken |= lost
        logits = logits.masked_fill(lost[:, None], 0.0)
        if self._sampling.temperature == 0:
            chosen = logits.argmax(-1, keepdim=True)
        else:
            sharpened = (logits - logits.amax(-1, keepdim=True)) / self._sampling.temperature
            shares = self._kept(sharpened.softmax(-1)).double().cumsum(-1)
            step = input_ids.shape[1] - self._mask.shape[1]
            points = self._draws[:, step, None].double() * shares[:, -1:]
            chosen = torch.searchsorted(shares, points, right=True)
        return torch.full_like(scores, -torch.inf).scatter_(-1, chosen, 0.0)

    def _penalised(self, input_ids: "Tensor", logits: "Tensor") -> "Tensor":
        """Source: the CTRL paper, https://arxiv.org/abs/1909.05858, section 4.1, over the row's own tokens."""
        import torch

        penalty = self._sampling.repetition_penalty
        if penalty == 1:
            return logits
        own = input_ids.clone()
        length = self._mask.shape[1]
        # Padding is on the left, so the last prompt token is the row's own.
        own[:, :length] = torch.where(self._mask, own[:, :length], own[:, length - 1 : length])
        held = logits.gather(-1, own)
        return logits.scatter(-1, own, torch.where(held < 0, held * penalty, held / penalty))

    def _kept(self, probabilities: "Tensor") -> "Tensor":
        """The probabilities with those that top_k, top_p and min_p exclude set to 0; not summing to 1."""
        sampling = self._sampling
        if 0 < sampling.top_k < probabilities.shape[-1]:
            least = probabilities.topk(sampling.top_k, -1).values[:, -1:]
            probabilities = probabilities * (probabilities >= least)
        if sampling.top_p < 1:
            ordered = probabilities.sort(-1, descending=True).values
            before = ordered.cumsum(-1) - ordered
            inside = before < sampling.top_p * ordered.sum(-1, keepdim=True)
            least = ordered.masked_fill(~inside, 2.0).amin(-1, keepdim=True)
            probabilities = probabilities * (probabilities >= least)
        if sampling.min_p > 0:
            probabilities = probabilities * (probabilities >= sampling.min_p * probabilities.amax(-1, keepdim=True))
        return probabilities
