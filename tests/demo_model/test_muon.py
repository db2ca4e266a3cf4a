"""A step of Muon is nearly orthogonal."""

import torch

from benchmarks.demo_model.muon import orthogonalised


def test_a_step_has_singular_values_near_one_whatever_the_gradient():
    torch.manual_seed(0)
    for shape in ((2, 16, 40), (2, 40, 16)):
        values = torch.linalg.svdvals(orthogonalised(torch.randn(shape) * 1e-3))
        assert values.min() > 0.5
        assert values.max() < 1.5
