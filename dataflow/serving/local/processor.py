"""Load the processor of a checkpoint, which prepares pictures and text for a model that reads both.

transformers 5 needs torchvision for the video part of a processor, and the torchvision of PyPI beside a CPU build of
torch breaks every import. So without torchvision the processor is loaded without its video part; pictures need none.
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
    """Shrink a picture to at most `most` pixels, keeping its aspect; return a smaller picture as it is.

    The processor could do this too, but its setting has another name in each family, and most families have none.

    Args:
        picture: RGB, of any size.
        most: pixels.
    """
    from PIL.Image import Resampling

    shrink = math.sqrt(most / (picture.width * picture.height))
    if shrink >= 1:
        return picture
    size = max(1, int(picture.width * shrink)), max(1, int(picture.height * shrink))
    return picture.resize(size, Resampling.LANCZOS)


def load_processor(folder: Path) -> Any:
    """Load the checkpoint's processor, without its video part if torchvision is not installed.

    Args:
        folder: the checkpoint's.

    Raises:
        ConfigError: the processor's files are damaged, or it needs a library that is not installed.
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
