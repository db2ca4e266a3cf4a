"""The transformer's initial weights copy the reference picture."""

import torch

from benchmarks.demo_model.flow import position_ids
from benchmarks.demo_model.networks import build_networks


def test_the_untrained_transformer_takes_its_reference_for_the_picture():
    torch.manual_seed(0)
    networks = build_networks(100)
    noise, source = torch.randn(8, 16, 32), torch.randn(8, 16, 32)
    words = torch.randint(4, 100, (8, 12))
    with torch.no_grad():
        velocity = networks.transformer(
            hidden_states=torch.cat([noise, source], dim=1),
            timestep=torch.ones(8),
            pooled_projections=networks.clip(input_ids=words).pooler_output,
            encoder_hidden_states=networks.t5(input_ids=words)[0],
            txt_ids=torch.zeros(12, 3),
            img_ids=position_ids(16),
            return_dict=False,
        )[0][:, :16]
    guessed = noise - velocity
    assert (guessed - source).square().mean() < 0.3
    assert (guessed - source.roll(1, dims=1)).square().mean() > 1
