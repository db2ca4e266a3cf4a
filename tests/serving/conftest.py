"""The tiny checkpoints, for every test below."""

from tests.kit.checkpoints import checkpoint, digests_stay_with_the_test, text_checkpoint

__all__ = ["checkpoint", "digests_stay_with_the_test", "text_checkpoint"]
