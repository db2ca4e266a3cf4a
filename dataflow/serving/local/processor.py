"""What prepares pictures and words for a model that reads both, with or without torchvision.

transformers 5 builds the video part of a processor only with torchvision, and the torchvision of PyPI beside a
CPU build of torch breaks every import. Pictures need no video part.
"""

import importlib.util
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.serving.local.damage import damage_explained
from dataflow.serving.local.patches import image_only

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)


def bounded(picture: "Image", most: int) -> "Image":
    """A picture of at most so many pixels, its shape kept; one that has no more is the same.

    It is done here and not by the processor: each family's has another word for it, and most have none.

    Args:
        picture: RGB, any size.
        most: pixels.
    """
    from PIL.Image import Resampling

    shrink = math.sqrt(most / (picture.width * picture.height))
    if shrink >= 1:
        return picture
    size = max(1, int(picture.width * shrink)), max(1, int(picture.height * shrink))
    return picture.resize(size, Resampling.LANCZOS)


def load_processor(folder: Path) -> Any:
    """The checkpoint's processor; without its video part where torchvision is missing.

    Raises:
        ConfigError: its files are damaged, or it needs a library that is not installed.
    """
    from transformers import AutoConfig, AutoProcessor
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    with damage_explained(f"the processor in {folder} cannot be loaded", "Download it again"):
        if importlib.util.find_spec("torchvision") is not None:
            return AutoProcessor.from_pretrained(folder, trust_remote_code=False)
        whole = PROCESSOR_MAPPING.get(type(AutoConfig.from_pretrained(folder, trust_remote_code=False)), None)
        if whole is None or "video_processor" not in whole.get_attributes():
            return AutoProcessor.from_pretrained(folder, trust_remote_code=False)
        log.info("torchvision is not installed: %s is loaded without its video part", whole.__name__)
        return image_only(whole).from_pretrained(folder)
