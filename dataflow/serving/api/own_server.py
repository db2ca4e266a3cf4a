"""A server of one's own as a provider: what its software and its model want, by what the server says of itself.

A field is sent only where the server's own description names it, since engines drop unknown fields without a word. A
gateway, which describes the same paths and hands on to others, is asked as before: only an engine takes any size.
What an engine does with a field that it takes stands in no description: that is a table here, of vLLM-Omni 0.30 and
SGLang 0.5.23.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dataflow.core.model_names import bare_name
from dataflow.core.records import JSON
from dataflow.serving.api.probe import ServerFacts, Software
from dataflow.serving.api.providers import DEFAULT, Provider
from dataflow.serving.api.quirks import ENGINE_FIELDS
from dataflow.serving.backends.canvas import MEGAPIXEL
from dataflow.serving.backends.qwen_image_edit import NEGATIVE_PROMPT, TRUE_CFG_SCALE
from dataflow.serving.dialects.images import IMAGES
from dataflow.serving.dialects.narrow import as_number

# vLLM-Omni leaves guidance out where there is no negative prompt; our local backend never does.
_GUIDANCE: Mapping[str, JSON] = {"negative_prompt": NEGATIVE_PROMPT, "true_cfg_scale": TRUE_CFG_SCALE}
# Dynamo takes it in an object of its own, where only these two names are.
# Source: https://github.com/ai-dynamo/dynamo `lib/llm/src/protocols/openai/images/nvext.rs`, read in November 2026.
_NESTED_GUIDANCE: Mapping[str, JSON] = {
    ENGINE_FIELDS: {"negative_prompt": NEGATIVE_PROMPT, "guidance_scale": TRUE_CFG_SCALE}
}
_GUIDED = re.compile(r"qwen.?image.?edit", re.IGNORECASE)
# Source: the models that vLLM-Omni 0.30 draws with, `diffusion/registry.py`.
_FAMILIES = re.compile(
    r"qwen.?image|flux|kontext|klein|bagel|hunyuan|longcat|boogu|z.?image|glm.?image|omni.?gen|ovis.?image|hidream|krea"
    r"|ernie.?image|next.?step|stable.?diffusion|sdxl|cosmos|mammoth|sense.?nova|ming.?image|joyai",
    re.IGNORECASE,
)
_GIVEN_GUIDANCE = frozenset(
    ("negative_prompt", "true_cfg_scale", "guidance_scale", "num_inference_steps", ENGINE_FIELDS)
)
_DISTILLED = re.compile(r"lightning|turbo|distil|rapid|\d.?steps", re.IGNORECASE)  # are drawn with without guidance
_FEW_STEPS = 12  # above those of distilled models and of their LoRAs, which no name may tell
_PNG: Mapping[str, JSON] = {"output_format": "png"}  # SGLang sends JPEG of quality 75
_PICTURE: Mapping[str, JSON] = {"modalities": ["image"]}  # vLLM-Omni: a model that can write does so if "text" is there
# Source: vLLM-Omni's `diffusion/model_metadata.py`; what is not named there takes one.
_MOST_INPUTS = (
    (re.compile(r"qwen.?image.?edit.?(plus|25\d\d)|flux\.?2.*klein", re.IGNORECASE), 4),
    (re.compile(r"hunyuan.?image.?3", re.IGNORECASE), 3),
    (re.compile(r"qwen.?image.?edit|kontext|longcat.?image.?edit|boogu", re.IGNORECASE), 1),
)
_MASKED = re.compile(r"flux\.?2.*klein", re.IGNORECASE)
_MASK_PROBLEMS: Mapping[Software, str] = {
    "vLLM-Omni": "gives masks to FLUX.2-klein alone, and drops that of {model} without a word",
    "SGLang": "reads a mask and never uses it",
    "Dynamo": "takes no mask",
}
IDENTITIES: Sequence[Provider] = (
    DEFAULT,
    Provider(edit_pixels=MEGAPIXEL),
    Provider(edit_pixels=MEGAPIXEL, edit_fields=_GUIDANCE),
    Provider(edit_fields=_GUIDANCE),  # a server that only draws, from text, and takes guidance there
    Provider(edit_pixels=MEGAPIXEL, edit_fields=_NESTED_GUIDANCE),
)
"""All that edits may ask for at a server of one's own, as their ids have it; the first asks for nothing."""


def profile(facts: ServerFacts, model: str, given: Mapping[str, JSON]) -> Provider:
    """What a server wants that says this of itself; where it says nothing, as for any other server.

    Args:
        facts: that the server says.
        model: its name, as requests have it.
        given: the user's own fields.
    """
    served = facts.model(model)
    known = f"{model} {served.root} {served.pipeline}"
    is_engine = facts.software != ""
    fields = (facts.edits or frozenset()) | (facts.draws or frozenset())
    distilled = any(_DISTILLED.search(bare_name(name)) for name in (model, served.root))  # no folder above says so
    is_omni, is_dynamo = facts.software == "vLLM-Omni", facts.software == "Dynamo"
    guidance = _NESTED_GUIDANCE if is_dynamo else _GUIDANCE
    described = fields or guidance.keys()  # Dynamo names no fields in some versions
    taken = facts.edits is not None and described >= guidance.keys() if is_dynamo else fields >= guidance.keys()
    guided = is_engine and taken and not distilled and _is_guided(known, given)
    images = DEFAULT.picture_fields["images"]
    takes_mask = is_omni and _MASKED.search(known)
    return replace(
        DEFAULT,
        dialect=IMAGES if facts.draws_by_images and (is_engine or facts.chats is None) else None,
        picture_fields={
            "chat": _PICTURE if is_omni else DEFAULT.picture_fields["chat"],
            "images": {**images, **_PNG} if fields >= _PNG.keys() else images,
        },
        edit_fields=guidance if guided else {},
        engine_fields=ENGINE_FIELDS if is_dynamo else "",
        edit_pixels=MEGAPIXEL if is_engine and facts.edits is not None else 0,
        most_inputs=next((most for name, most in _MOST_INPUTS if name.search(known)), None) if is_omni else None,
        mask_names=("mask", "mask_image") if "mask_image" in fields else ("mask",),
        serves=facts.models[0].name if is_engine and facts.models and len(facts.models) == 1 else "",
        mask_problem="" if takes_mask else _MASK_PROBLEMS.get(facts.software, "").format(model=model),
    )


def hides_family(facts: ServerFacts, model: str, given: Mapping[str, JSON]) -> bool:
    """Whether edits may lack guidance, since no name tells what family the model is of.

    Args:
        facts: that the server says.
        model: its name, as requests have it.
        given: the user's own fields.
    """
    served = facts.model(model)
    is_told = _FAMILIES.search(f"{model} {served.root} {served.pipeline}") or _GIVEN_GUIDANCE & given.keys()
    return facts.software in ("vLLM-Omni", "Dynamo") and facts.edits is not None and not is_told


def _is_guided(names: str, given: Mapping[str, JSON]) -> bool:
    """Whether a model of these names is drawn with under guidance."""
    steps = as_number(given.get("num_inference_steps"))
    return bool(_GUIDED.search(names)) and not (steps is not None and steps <= _FEW_STEPS)


def profiles(found: Mapping[str, ServerFacts], model: str, given: Mapping[str, JSON]) -> dict[str, Provider]:
    """What each of several servers wants that serve one model: one that says nothing or half, what the others want.

    Args:
        found: address → what the server there says.
        model: its name, as requests have it.
        given: the user's own fields.
    """
    said = {address: facts for address, facts in found.items() if facts.is_known}
    whole = {address: facts for address, facts in said.items() if facts.says_how or not facts.late} or said
    if not whole:
        return {}
    first = next((facts for facts in whole.values() if facts.edits is not None), next(iter(whole.values())))
    # Ids name what edits ask for: those that edit come first.
    those = sorted(found, key=lambda address: whole.get(address, first).edits is None)
    return {address: profile(whole.get(address, first), model, given) for address in those}
