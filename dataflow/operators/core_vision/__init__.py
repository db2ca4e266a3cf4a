"""Operators that draw and edit pictures, and operators that measure and judge them."""

from dataflow.operators.core_vision.checked_image_generator import CheckedImageGenerator
from dataflow.operators.core_vision.image_edit_accept_loop import ImageEditAcceptLoop
from dataflow.operators.core_vision.image_edit_composer import ImageEditComposer
from dataflow.operators.core_vision.image_edit_gate_filter import ImageEditGateFilter
from dataflow.operators.core_vision.image_edit_inverter import ImageEditInverter
from dataflow.operators.core_vision.image_edit_judge import ImageEditJudge
from dataflow.operators.core_vision.image_edit_session import ImageEditSession
from dataflow.operators.core_vision.prompted_image_edit_generator import PromptedImageEditGenerator
from dataflow.operators.core_vision.prompted_image_generator import PromptedImageGenerator
from dataflow.operators.core_vision.triplet_synthesizer import TripletSynthesizer

__all__ = [
    "CheckedImageGenerator",
    "ImageEditAcceptLoop",
    "ImageEditComposer",
    "ImageEditGateFilter",
    "ImageEditInverter",
    "ImageEditJudge",
    "ImageEditSession",
    "PromptedImageEditGenerator",
    "PromptedImageGenerator",
    "TripletSynthesizer",
]
