"""Tiny checkpoints of every model family in their real layout, with random weights, built in a fraction of a second.

The weights are drawn so that activations keep their scale: with the libraries' own initialisation every
picture is nearly grey and hardly depends on prompt, seed or input. Nothing here is a mock: the folders are
written by `save_pretrained` and read by `from_pretrained`.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from dataflow.core.loop import submit
from dataflow.core.records import Answer, Job, Request
from dataflow.serving.local import LocalServing

WORDS = 300  # tokens: 256 bytes and some special ones
QWEN_SPECIAL = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
CHAT = "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"


SHARPNESS = 2.0  # of queries and keys: what one input picture shows is not averaged away among 512 words
WAIT = 60.0  # seconds


@contextmanager
def running(serving: LocalServing) -> Iterator[Callable[..., list[Answer]]]:
    """A serving without a pool: call the result with requests to have them answered in one batch."""
    serving.prepare()
    submit(serving.setup()).result(WAIT)
    try:
        yield lambda *requests: list(submit(serving.call(as_jobs(requests))).result(WAIT))
    finally:
        submit(serving.close()).result(WAIT)


def as_jobs(requests: tuple[Request, ...]) -> list[Job]:
    """Jobs with ids of their own, in order."""
    return [Job(f"{number:02x}" * 16, request) for number, request in enumerate(requests)]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny checkpoint by family, built once; copy it before changing it."""
    home, built = tmp_path_factory.mktemp("tiny"), dict[str, Path]()

    def of(family: str) -> Path:
        if family not in built:
            built[family] = globals()[family](home / family)
        return built[family]

    return of


def enliven(module: torch.nn.Module, seed: int) -> Any:
    """Draw the weights anew: unit gain through every layer, sharp attention, norms at one, small biases."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if weight.dim() > 1:
                fan_in = weight[0].numel() if "embed_tokens" not in name and "shared" not in name else 1
                weight.normal_(0, 1 / math.sqrt(fan_in), generator=generator)
            elif name.endswith("bias"):
                weight.normal_(0, 0.1, generator=generator)
            elif "norm_q" in name or "norm_k" in name:
                weight.fill_(SHARPNESS)
    return module.eval()


def bytes_vocabulary() -> dict[str, int]:
    """The byte alphabet of GPT-2's tokenizer, as every byte-level BPE here writes it."""
    from tokenizers.pre_tokenizers import ByteLevel

    return {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}


def qwen_tokenizer() -> Any:
    from transformers import Qwen2TokenizerFast

    vocabulary = bytes_vocabulary()
    for word in ["<|endoftext|>", *QWEN_SPECIAL]:
        vocabulary[word] = len(vocabulary)
    tokenizer = Qwen2TokenizerFast(vocab=vocabulary, merges=[], extra_special_tokens=QWEN_SPECIAL)
    tokenizer.chat_template = CHAT
    return tokenizer


def clip_parts() -> tuple[Any, Any]:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizerFast

    vocabulary = bytes_vocabulary()
    vocabulary |= {f"{letter}</w>": number + 256 for letter, number in vocabulary.items()}
    for word in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[word] = len(vocabulary)
    tokenizer = CLIPTokenizerFast(vocab=vocabulary, merges=[], model_max_length=77)
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=16,
        projection_dim=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=vocabulary["<|startoftext|>"],
        eos_token_id=vocabulary["<|endoftext|>"],
    )
    return tokenizer, enliven(CLIPTextModel(config), 1)


def t5_parts() -> tuple[Any, Any]:
    from transformers import T5Config, T5EncoderModel, T5TokenizerFast

    letters = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0)]
    letters += [(chr(code), -2.0) for code in range(33, 127)]
    tokenizer = T5TokenizerFast(vocab=letters, extra_ids=0, model_max_length=512)
    config = T5Config(vocab_size=WORDS, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    return tokenizer, enliven(T5EncoderModel(config), 2)


def qwen3_encoder() -> Any:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=WORDS,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=28,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
    )
    return enliven(Qwen3ForCausalLM(config), 3)


def qwen_vl_encoder(tokenizer: Any) -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    def number(word: str) -> int:
        return int(tokenizer.convert_tokens_to_ids(word))

    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": WORDS,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e6},
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "patch_size": 14,
            "fullatt_block_indexes": [0],
        },
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )
    return enliven(Qwen2_5_VLForConditionalGeneration(config), 4)


def scheduler(**settings: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**settings)


def kl_vae(**settings: Any) -> Any:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=2,
        latent_channels=4,
        scaling_factor=1.0,
        shift_factor=0.0,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
        **settings,
    )
    return enliven(vae, 5)


def flux_parts(*, guidance: bool = True) -> dict[str, Any]:
    from diffusers import FluxTransformer2DModel

    tokenizer, text_encoder = clip_parts()
    tokenizer_2, text_encoder_2 = t5_parts()
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        guidance_embeds=guidance,
        axes_dims_rope=(2, 2, 4),
    )
    return {
        "scheduler": scheduler(use_dynamic_shifting=True),
        "vae": kl_vae(),
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
        "text_encoder_2": text_encoder_2,
        "tokenizer_2": tokenizer_2,
        "transformer": enliven(transformer, 6),
    }


def flux(folder: Path) -> Path:
    from diffusers import FluxPipeline

    return saved(FluxPipeline(**flux_parts()), folder)


def flux_kontext(folder: Path) -> Path:
    from diffusers import FluxKontextPipeline

    return saved(FluxKontextPipeline(**flux_parts()), folder)


def qwen_parts() -> dict[str, Any]:
    from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel

    tokenizer = qwen_tokenizer()
    transformer = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(2, 2, 4),
    )
    vae = AutoencoderKLQwenImage(
        base_dim=4, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1, latents_mean=[0.0] * 4, latents_std=[1.0] * 4
    )
    return {
        "scheduler": scheduler(use_dynamic_shifting=True),
        "vae": enliven(vae, 7),
        "text_encoder": qwen_vl_encoder(tokenizer),
        "tokenizer": tokenizer,
        "transformer": enliven(transformer, 8),
    }


def qwen_image(folder: Path) -> Path:
    from diffusers import QwenImagePipeline

    return saved(QwenImagePipeline(**qwen_parts()), folder)


def qwen_image_edit(folder: Path) -> Path:
    return with_processor(qwen_image(folder), "QwenImageEditPipeline")


def qwen_image_edit_plus(folder: Path) -> Path:
    return with_processor(qwen_image(folder), "QwenImageEditPlusPipeline")


def with_processor(folder: Path, pipeline: str) -> Path:
    """Add the files of a vision-language processor; saving one needs torchvision, which these tests do without."""
    home = folder / "processor"
    qwen_tokenizer().save_pretrained(home)
    pictures = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor",
        "size": {"shortest_edge": 28 * 28, "longest_edge": 56 * 56},
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
    }
    (home / "preprocessor_config.json").write_text(json.dumps(pictures), encoding="utf-8")
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    index |= {"_class_name": pipeline, "processor": ["transformers", "Qwen2VLProcessor"]}
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def flux2_klein(folder: Path) -> Path:
    from diffusers import AutoencoderKLFlux2, Flux2KleinPipeline, Flux2Transformer2DModel

    transformer = Flux2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=48,
        axes_dims_rope=(2, 2, 2, 2),
        guidance_embeds=False,
    )
    vae = AutoencoderKLFlux2(
        block_out_channels=(4, 4, 4, 4), layers_per_block=1, norm_num_groups=2, latent_channels=4, sample_size=64
    )
    pipeline = Flux2KleinPipeline(
        scheduler=scheduler(use_dynamic_shifting=True),
        vae=enliven(vae, 9),
        text_encoder=qwen3_encoder(),
        tokenizer=qwen_tokenizer(),
        transformer=enliven(transformer, 10),
        is_distilled=True,
    )
    return saved(pipeline, folder)


def z_image(folder: Path) -> Path:
    from diffusers import ZImagePipeline, ZImageTransformer2DModel

    transformer = ZImageTransformer2DModel(
        in_channels=4,
        dim=16,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[2, 2, 4],
        axes_lens=[1024, 64, 64],
    )
    pipeline = ZImagePipeline(
        scheduler=scheduler(shift=3.0),
        vae=kl_vae(),
        text_encoder=qwen3_encoder(),
        tokenizer=qwen_tokenizer(),
        transformer=enliven(transformer, 11),
    )
    return saved(pipeline, folder)


def small_references(patch: pytest.MonkeyPatch) -> None:
    """Let diffusers bring Qwen's inputs to 64 x 64 instead of a megapixel, which takes seconds on a CPU."""
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as edit
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as plus

    for module in (edit, plus):
        full = module.calculate_dimensions
        patch.setattr(module, "calculate_dimensions", lambda area, ratio, full=full: full(area / 256, ratio))


def saved(pipeline: Any, folder: Path) -> Path:
    pipeline.save_pretrained(folder)
    return folder


def flux_img2img(folder: Path) -> Path:
    """A pipeline that no family of ours claims."""
    from diffusers import FluxImg2ImgPipeline

    return saved(FluxImg2ImgPipeline(**flux_parts()), folder)
