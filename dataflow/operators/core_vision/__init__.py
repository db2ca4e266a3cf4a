"""Operators that make pictures."""

from dataflow.operators.core_vision.prompted_image_edit_generator import PromptedImageEditGenerator

__all__ = ["PromptedImageEditGenerator"]
