"""Tokenizers and text encoders of the tiny checkpoints, with random weights that keep activations at their scale.

With the libraries' own initialisation every picture is nearly grey and hardly depends on prompt, seed or input.
"""

import math
from typing import Any

import torch

WORDS = 300  # tokens: 256 bytes and some special ones
QWEN_SPECIAL = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
CHAT = "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
SAID = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'][0]['text'] }}<|im_end|>\n"
    "{% endfor %}"
)
SHARPNESS = 2.0  # of queries and keys: what one input picture shows is not averaged away among 512 words


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


def qwen3_vl_encoder(tokenizer: Any) -> Any:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    words = ("image_pad", "video_pad", "vision_start", "vision_end")
    image, video, start, end = (int(tokenizer.convert_tokens_to_ids(f"<|{word}|>")) for word in words)
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": WORDS,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1e6},
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "patch_size": 16,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    return enliven(Qwen3VLForConditionalGeneration(config), 4)


def mistral3_encoder() -> Any:
    from transformers import Mistral3Config, Mistral3ForConditionalGeneration

    small = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "head_dim": 8}
    config = Mistral3Config(
        text_config={
            **small,
            "model_type": "mistral",
            "vocab_size": WORDS,
            "num_hidden_layers": 30,
            "num_key_value_heads": 2,
        },
        vision_config={**small, "model_type": "pixtral", "num_hidden_layers": 1, "image_size": 56, "patch_size": 14},
    )
    return enliven(Mistral3ForConditionalGeneration(config), 12)
