"""Which token is next: the shares of the tokens, what is excluded, and that rows do not touch each other."""

import pytest
import torch

from dataflow.serving.local.texts.sampling import RowSampler, Sampling

LOGITS = torch.tensor([[2.0, 1.0, 0.5, 0.0, -1.0, -20.0]])
NOBODY = torch.ones(1, 3, dtype=torch.long)


def drawn(sampling: Sampling, rows: int = 4000) -> torch.Tensor:
    """Shares of each token among many rows of other seeds."""
    mask = NOBODY.expand(rows, -1)
    sampler = RowSampler(sampling, range(rows), mask, 1)
    scores = sampler(torch.zeros_like(mask), LOGITS.expand(rows, -1))
    assert (scores == 0).sum(-1).tolist() == [1] * rows
    return (scores == 0).float().mean(0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_come_as_often_as_their_probabilities_say(temperature: float) -> None:
    wanted = (LOGITS[0] / temperature).softmax(-1)
    # 4 standard deviations of a share among 4000
    assert ((drawn(Sampling(temperature)) - wanted).abs() <= 4 * (wanted * (1 - wanted) / 4000).sqrt() + 1e-9).all()


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(1.0, top_k=2), [0, 1]),
        (Sampling(1.0, top_p=0.5), [0]),
        (Sampling(1.0, top_p=0.6), [0, 1]),
        (Sampling(1.0, min_p=0.2), [0, 1, 2]),
        (Sampling(0.0), [0]),
        (Sampling(1e-30), [0]),
    ],
    ids=str,
)
def test_what_is_excluded_never_comes_and_the_rest_keeps_its_proportions(sampling: Sampling, kept: list[int]) -> None:
    shares = drawn(sampling)
    assert shares.nonzero().flatten().tolist() == kept
    wanted = LOGITS[0, kept].softmax(-1)
    if sampling.temperature == 1:
        assert torch.allclose(shares[kept], wanted, atol=0.04)


def test_each_row_has_its_own_stream_and_each_token_its_own_number() -> None:
    def choices(seeds: list[int]) -> list[list[int]]:
        mask = NOBODY.expand(len(seeds), -1)
        sampler = RowSampler(Sampling(1.0), seeds, mask, 20)
        ids = torch.zeros_like(mask)
        for _ in range(20):
            scores = sampler(ids, torch.zeros(len(seeds), 1000))
            ids = torch.cat([ids, scores.argmax(-1, keepdim=True)], -1)
        return ids[:, 3:].tolist()

    together = choices([1, 2, 3])
    assert together == [choices([seed])[0] for seed in (1, 2, 3)]
    assert len({tuple(row) for row in together}) == 3
    assert len(set(together[0])) > 10


def test_the_repetition_penalty_is_that_of_transformers_but_for_the_padding() -> None:
    from transformers import RepetitionPenaltyLogitsProcessor

    theirs = RepetitionPenaltyLogitsProcessor(1.7)
    ids = torch.tensor([[0, 1, 4, 4]])
    padded = torch.cat([torch.full((1, 3), 2), ids], -1)
    mask = torch.tensor([[0, 0, 0, 1, 1, 1]])
    sampler = RowSampler(Sampling(repetition_penalty=1.7), [1], mask, 5)
    assert torch.equal(sampler._penalised(padded, LOGITS.clone()), theirs(ids, LOGITS.clone()))
    assert not torch.equal(theirs(padded, LOGITS.clone()), theirs(ids, LOGITS.clone()))


def test_a_row_without_numbers_is_marked_and_the_others_are_not() -> None:
    scores = LOGITS.repeat(2, 1)
    scores[1, 3] = torch.nan
    mask = NOBODY.expand(2, -1)
    sampler = RowSampler(Sampling(1.0), [1, 2], mask, 1)
    sampler(torch.zeros_like(mask), scores)
    assert sampler.broken.tolist() == [False, True]
