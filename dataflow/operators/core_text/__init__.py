"""Operators that write text."""

from dataflow.operators.core_text.edit_instruction_generator import EditInstructionGenerator
from dataflow.operators.core_text.edit_prompt_generator import EditPromptGenerator
from dataflow.operators.core_text.multi_image_prompt_generator import MultiImagePromptGenerator

__all__ = ["EditInstructionGenerator", "EditPromptGenerator", "MultiImagePromptGenerator"]
