"""Sample each next token so that a row's answer does not depend on the other rows of its batch.

transformers samples a whole batch from one stream of random numbers, and its repetition penalty counts padding tokens;
so a row's answer depends on its batch there. Here each row has a stream of its own, with one number per token, drawn on
the CPU and therefore the same on every device, and padding is ignored. One dependence remains: rounding makes the
logits of a batch differ from those of a single row in their last bits, which now and then reverses a near tie.
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
        temperature: divides the logits; 0 always takes the likeliest token.
        top_p: keeps the fewest likeliest tokens whose probabilities sum to this number; 1 keeps all tokens.
        top_k: keeps this many of the likeliest tokens; 0 keeps all.
        min_p: keeps tokens whose probability is at least this share of the likeliest token's; 0 keeps all.
        repetition_penalty: above 1, tokens that the row's prompt or answer already has become less likely; 1 is off.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0


class RowSampler:
    """A logits processor of transformers that chooses each row's token, and makes every other token impossible.

    Args:
        sampling: how every row's tokens are chosen.
        seeds: n seeds, one per row.
        attention_mask: n x prompt length; 0 for padding tokens, which are on the left.
        most: the most tokens that will be generated per row.

    Attributes:
        broken: n booleans; whether a row's logits contained NaN, as in a dtype too narrow for the model.
    """

    def __init__(self, sampling: Sampling, seeds: Sequence[int], attention_mask: "Tensor", most: int) -> None:
        import torch

        self._sampling = sampling
        self._mask = attention_mask.bool()
        # The draws are float32 and below 1, so that a draw times a float64 sum stays below that sum (`__call__`).
        streams = [torch.rand(most, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        self._draws = torch.stack(streams).to(attention_mask.device)
        self.broken = torch.zeros(len(seeds), dtype=torch.bool, device=attention_mask.device)

    def __call__(self, input_ids: "Tensor", scores: "Tensor") -> "Tensor":
        """The scores of the next tokens, n x vocabulary: 0 for each row's chosen token, minus infinity for the rest.

        Args:
            input_ids: n x (prompt length + tokens generated so far), the token ids.
            scores: n x vocabulary, the model's logits.
        """
        import torch

        logits = self._penalised(input_ids, scores.float())
        is_broken = logits.isnan().any(-1)
        self.broken |= is_broken
        logits = logits.masked_fill(is_broken[:, None], 0.0)
        if self._sampling.temperature == 0:
            chosen = logits.argmax(-1, keepdim=True)
        else:
            # Inverse transform sampling: a row's draw is a point on its cumulative sum of probabilities. The sum may
            # end below 1, because `_filtered` sets probabilities to 0, so the draw is scaled by the sum's last value.
            scaled = (logits - logits.amax(-1, keepdim=True)) / self._sampling.temperature
            cumulative = self._filtered(scaled.softmax(-1)).double().cumsum(-1)
            step = input_ids.shape[1] - self._mask.shape[1]
            points = self._draws[:, step, None].double() * cumulative[:, -1:]
            chosen = torch.searchsorted(cumulative, points, right=True)
        return torch.full_like(scores, -torch.inf).scatter_(-1, chosen, 0.0)

    def _penalised(self, input_ids: "Tensor", logits: "Tensor") -> "Tensor":
        """The logits with the repetition penalty applied to each row's own tokens, padding excluded.

        Source: the CTRL paper, https://arxiv.org/abs/1909.05858, section 4.1.
        """
        import torch

        penalty = self._sampling.repetition_penalty
        if penalty == 1:
            return logits
        tokens = input_ids.clone()
        length = self._mask.shape[1]
        # Each padding token is replaced by the prompt's last token, which is never padding (padding is on the left).
        tokens[:, :length] = torch.where(self._mask, tokens[:, :length], tokens[:, length - 1 : length])
        before = logits.gather(-1, tokens)
        return logits.scatter(-1, tokens, torch.where(before < 0, before * penalty, before / penalty))

    def _filtered(self, probabilities: "Tensor") -> "Tensor":
        """The probabilities, n x vocabulary, with 0 for tokens that top_k, top_p or min_p exclude; not normalised."""
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
