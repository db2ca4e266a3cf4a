"""Operators that make pictures."""

from dataflow.operators.core_vision.prompted_image_edit_generator import PromptedImageEditGenerator
from dataflow.operators.core_vision.prompted_image_generator import PromptedImageGenerator

__all__ = ["PromptedImageEditGenerator", "PromptedImageGenerator"]
