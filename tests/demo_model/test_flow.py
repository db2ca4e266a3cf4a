"""What stage two learns: padded texts, positions and padding as the pipelines have them."""

import pytest
import torch

from benchmarks.demo_model.data import Encoded
from benchmarks.demo_model.flow import flow_loss, padding_weight, position_ids
from benchmarks.demo_model.networks import TEXT_REACH, build_autoencoder, build_networks, build_pipeline
from benchmarks.demo_model.tokenizer import PAD_ID, build_tokenizer

TEXTS = ["make the red circle blue", "把左上角的红色圆形换成蓝色星形", "remove it"]


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.fixture(scope="module")
def networks(tokenizer):
    torch.manual_seed(0)
    networks = build_networks(len(tokenizer))
    for weight in networks.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.05)
    networks.keep_padding_silent()
    return networks


def velocity(networks, words, pooled_words, kept, mask=None):
    chance = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return networks.transformer(
            hidden_states=torch.randn(len(words), 32, 32, generator=chance),
            timestep=torch.full((len(words),), 0.5),
            pooled_projections=networks.clip(input_ids=pooled_words).pooler_output,
            encoder_hidden_states=networks.t5(input_ids=words)[0][:, :kept],
            txt_ids=torch.zeros(kept, 3),
            img_ids=position_ids(16),
            joint_attention_kwargs={"attention_mask": mask} if mask is not None else None,
            return_dict=False,
        )[0]


@pytest.mark.parametrize("longest", [64, 512])
def test_text_cut_short_in_training_means_what_the_pipelines_padded_text_means(networks, tokenizer, longest):
    words = tokenizer(TEXTS, padding="max_length", max_length=longest, return_tensors="pt").input_ids
    lengths = (words != PAD_ID).sum(dim=1)
    kept = int(lengths.max()) + 1
    whole = velocity(networks, words, words[:, :64], longest)
    mask = padding_weight(lengths, kept, longest, 32)
    cut = velocity(networks, words[:, : kept + TEXT_REACH], words[:, :kept], kept, mask)
    assert torch.allclose(whole, cut, atol=1e-5)
    assert whole.std() > 0.01


def test_positions_are_those_of_the_kontext_pipeline(networks, tokenizer):
    pipeline = build_pipeline(build_autoencoder(), networks, tokenizer)
    for pictures in (1, 2):
        ids = pipeline._prepare_latent_image_ids(1, 4, 4 * pictures, "cpu", torch.float32)
        ids[:, 0] = 1
        assert torch.equal(position_ids(16 * pictures)[16:], ids)
    assert torch.equal(position_ids(0), pipeline._prepare_latent_image_ids(1, 4, 4, "cpu", torch.float32))


def test_padding_never_learns(networks, tokenizer):
    words = tokenizer(TEXTS, padding="max_length", max_length=64, return_tensors="pt").input_ids
    batch = Encoded(words, torch.randn(3, 16, 32), torch.randn(3, 16, 32), torch.ones(3, 16, 4, dtype=torch.bool))
    flow_loss(networks, batch, torch.Generator().manual_seed(0)).backward()
    gradient = networks.t5.shared.weight.grad
    assert not gradient[PAD_ID].any()
    assert gradient.norm() < 100
