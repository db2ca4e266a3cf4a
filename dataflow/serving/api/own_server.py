"""Makes a `Provider` of a server of one's own: what its software and its model want, by what the server says of itself.

A field is sent only where the server's description names it, since engines drop unknown fields without a word. A
gateway may describe the same paths; it is asked as any other server, since only an engine takes every size. What an
engine does with a field stands in no description, so this file has tables of it, for vLLM-Omni 0.30 and SGLang 0.5.23.
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

# vLLM-Omni draws without guidance where a request has no negative prompt; our local backend always has one.
_GUIDANCE: Mapping[str, JSON] = {"negative_prompt": NEGATIVE_PROMPT, "true_cfg_scale": TRUE_CFG_SCALE}
# Dynamo takes guidance in an object of its own, under these two names alone.
# Source: https://github.com/ai-dynamo/dynamo `lib/llm/src/protocols/openai/images/nvext.rs`, read in November 2026.
_NESTED_GUIDANCE: Mapping[str, JSON] = {
    ENGINE_FIELDS: {"negative_prompt": NEGATIVE_PROMPT, "guidance_scale": TRUE_CFG_SCALE}
}
_GUIDED = re.compile(r"qwen.?image.?edit", re.IGNORECASE)  # models that are drawn with under guidance
# Names of model families. Source: vLLM-Omni 0.30, `diffusion/registry.py`.
_FAMILIES = re.compile(
    r"qwen.?image|flux|kontext|klein|bagel|hunyuan|longcat|boogu|z.?image|glm.?image|omni.?gen|ovis.?image|hidream|krea"
    r"|ernie.?image|next.?step|stable.?diffusion|sdxl|cosmos|mammoth|sense.?nova|ming.?image|joyai",
    re.IGNORECASE,
)
_GIVEN_GUIDANCE = frozenset(
    ("negative_prompt", "true_cfg_scale", "guidance_scale", "num_inference_steps", ENGINE_FIELDS)
)
_DISTILLED = re.compile(r"lightning|turbo|distil|rapid|\d.?steps", re.IGNORECASE)  # models drawn with without guidance
_FEW_STEPS = 12  # more steps than distilled models and distilled LoRAs take, whose names may not say so
_PNG: Mapping[str, JSON] = {"output_format": "png"}  # without it, SGLang sends JPEG of quality 75
_PICTURE: Mapping[str, JSON] = {"modalities": ["image"]}  # beside "text", a model of vLLM-Omni may write instead
# Input pictures of an edit. Source: vLLM-Omni's `diffusion/model_metadata.py`, which gives other models one.
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
"""Every set of fields that edits at a server of one's own may have in their ids; the first set is empty."""


def profile(facts: ServerFacts, model: str, given: Mapping[str, JSON]) -> Provider:
    """The provider that a server is, by what it says of itself; one that says nothing is as any other server.

    Args:
        facts: that the server says.
        model: the model's name in requests.
        given: the user's own fields, `extra_body`.
    """
    served = facts.model(model)
    known = f"{model} {served.root} {served.pipeline}"
    is_engine = facts.software != ""
    fields = (facts.edits or frozenset()) | (facts.draws or frozenset())
    # Only the last part of a path counts: a folder above it may be named "lightning", too.
    distilled = any(_DISTILLED.search(bare_name(name)) for name in (model, served.root))
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
    """Whether edits may lack guidance, since no name says of which family the model is.

    Args:
        facts: that the server says.
        model: the model's name in requests.
        given: the user's own fields, `extra_body`.
    """
    served = facts.model(model)
    is_known = _FAMILIES.search(f"{model} {served.root} {served.pipeline}") or _GIVEN_GUIDANCE & given.keys()
    return facts.software in ("vLLM-Omni", "Dynamo") and facts.edits is not None and not is_known


def _is_guided(names: str, given: Mapping[str, JSON]) -> bool:
    """Whether a model is drawn with under guidance, by its names and the steps that the user gives."""
    steps = as_number(given.get("num_inference_steps"))
    return bool(_GUIDED.search(names)) and not (steps is not None and steps <= _FEW_STEPS)


def profiles(found: Mapping[str, ServerFacts], model: str, given: Mapping[str, JSON]) -> dict[str, Provider]:
    """The provider at each of several addresses that serve one model.

    A server that says nothing, or only a part in time, counts as what another one says: they serve the same model.

    Args:
        found: address → what the server there says.
        model: the model's name in requests.
        given: the user's own fields, `extra_body`.

    Returns:
        Address → provider, those that edit first, since the id of an edit has the fields of the first one; empty: no
        server says anything.
    """
    known = {address: facts for address, facts in found.items() if facts.is_known}
    whole = {address: facts for address, facts in known.items() if facts.is_complete or not facts.is_late} or known
    if not whole:
        return {}
    first = next((facts for facts in whole.values() if facts.edits is not None), next(iter(whole.values())))
    ordered = sorted(found, key=lambda address: whole.get(address, first).edits is None)
    return {address: profile(whole.get(address, first), model, given) for address in ordered}
