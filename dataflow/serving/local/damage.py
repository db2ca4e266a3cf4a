"""Turn what a library raises for damaged or mismatched files into a ConfigError that says what the user can do.

The list of exceptions comes from damaging tiny checkpoints in some hundred ways, one at a time (diffusers 0.42,
transformers 5.24, torch 2.13); `tests/serving/local/test_damage.py` repeats what may happen to a download. TypeError,
AttributeError and KeyError are not in the list: they are mistakes in code, ours included, and go through with their
traceback. Put nothing but calls of the library inside the `with`, so that no error of ours is taken for damage.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from dataflow.core.words import sentence
from dataflow.errors import ConfigError
from dataflow.serving.local.runtime import errors_of_the_card


@contextmanager
def damage_explained(what: str, fix: str) -> Iterator[None]:
    """Turn an exception that a library raises for the files it loads into a ConfigError.

    Args:
        what: what failed, such as "<folder> cannot be loaded as FluxPipeline".
        fix: what the user can do, in a sentence.

    Raises:
        ConfigError: the library raised for damaged files, or for a library that is not installed.
        torch.OutOfMemoryError, torch.AcceleratorError: unchanged, because they say nothing about files.
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
        OSError,  # a file that is missing or truncated; settings that are not JSON
        ValueError,  # weights of another shape, a vocabulary that is not JSON, a class that does not exist
        RuntimeError,  # weights of another shape, as transformers raises for them; a truncated .bin file
        SafetensorError,
        StrictDataclassError,  # settings of a wrong type
        UnpicklingError,  # a .bin file with other contents
        struct.error,  # a .bin file truncated in its first bytes
        EOFError,  # an empty .bin file
    ) as error:
        raise ConfigError(f"{sentence(f'{what}: {error}')} {fix}") from error
