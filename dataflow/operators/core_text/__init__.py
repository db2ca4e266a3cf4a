"""Operators that write descriptions and edit instructions, and one that judges instructions."""

from dataflow.operators.core_text.edit_instruction_generator import EditInstructionGenerator
from dataflow.operators.core_text.edit_instruction_judge import EditInstructionJudge
from dataflow.operators.core_text.edit_prompt_generator import EditPromptGenerator
from dataflow.operators.core_text.multi_image_prompt_generator import MultiImagePromptGenerator

__all__ = ["EditInstructionGenerator", "EditInstructionJudge", "EditPromptGenerator", "MultiImagePromptGenerator"]
