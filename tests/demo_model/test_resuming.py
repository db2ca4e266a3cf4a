"""A training that is killed continues where its checkpoint ends."""

import pytest
import torch

from benchmarks.demo_model.data import Pool
from benchmarks.demo_model.flow import Mix, train_flow
from benchmarks.demo_model.networks import build_autoencoder
from benchmarks.demo_model.optimiser import Pace
from benchmarks.demo_model.tokenizer import build_tokenizer


class Killed(Exception):
    pass


def trained(folder, die_at=None):
    """The weights after four steps, or the exception that comes after step `die_at`."""
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    pool = Pool(folder, 0, autoencoder=build_autoencoder().requires_grad_(False), tokenizer=tokenizer, shard=16)

    def report(step, loss, flow):
        assert loss > 0
        if step == die_at:
            raise Killed

    return train_flow(
        folder,
        pool,
        vocabulary=len(tokenizer),
        seed=0,
        device="cpu",
        report=report,
        pace=Pace(steps=4, fall=0.5, muon=0.005, adam=3e-3),
        mix=Mix(counts=(1, 2, 0), shards=2, steps_per_shard=2),
        save_every=0.0,
    ).average.state_dict()


def test_a_training_that_died_ends_as_if_it_had_not(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = trained(tmp_path / "whole")
    (tmp_path / "torn").mkdir()
    with pytest.raises(Killed):
        trained(tmp_path / "torn", die_at=2)
    resumed = trained(tmp_path / "torn")
    assert all(torch.equal(weight, resumed[name]) for name, weight in whole.items())
