"""What a library says about files that are damaged or do not belong together, as what the user can do about it.

Which errors those are was found out by damaging tiny checkpoints in some hundred ways, one at a time (diffusers 0.42,
transformers 5.24, torch 2.13); `tests/serving/local/test_damage.py` repeats what may happen to a download. A TypeError,
an AttributeError and a KeyError are not among them: those are mistakes in code, ours included, and go through with
their traceback. So that no error of ours is taken for damage, nothing but calls of the library stands inside.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from dataflow.core.words import sentence
from dataflow.errors import ConfigError
from dataflow.serving.local.runtime import errors_of_the_card


@contextmanager
def damage_explained(what: str, fix: str) -> Iterator[None]:
    """Raise what a library finds wrong with files it loads as a ConfigError.

    Args:
        what: in words, such as "<folder> cannot be loaded as FluxPipeline".
        fix: in a sentence.

    Raises:
        torch.OutOfMemoryError, torch.AcceleratorError: as they are; they say nothing about files.
    """
    import struct
    from pickle import UnpicklingError

    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    try:
        yield
    except errors_of_the_card():
        raise
    except ImportError as error:
        raise ConfigError(f"{what}: it needs a library that is not installed: {error}") from error
    except (
        OSError,  # a file that is not there or cut short; settings that are no JSON
        ValueError,  # weights of another shape, a vocabulary that is no JSON, a class that does not exist
        RuntimeError,  # weights of another shape, as transformers says it; a .bin file cut short
        SafetensorError,
        StrictDataclassError,  # settings of the wrong kind
        UnpicklingError,  # a .bin file that is none
        struct.error,  # the same, cut in its first bytes
        EOFError,  # the same, empty
    ) as error:
        raise ConfigError(f"{sentence(f'{what}: {error}')} {fix}") from error
