"""The demo model that is part of the package, and the settings that it is called with."""

from pathlib import Path

MODEL = Path(__file__).parent / "model"
"""The folder of a FluxKontextPipeline of some three million parameters; its README.md says how well it edits."""

STEPS = 6
"""Denoising steps; the accuracies in MODEL/scores.json were measured with this number."""

TOKENS = 64
"""Tokens of a prompt. The pipeline's own 512 would change its pictures little, and take six times as long."""

SHOWN: tuple[str, ...] = ("recolour", "replace", "remove", "add", "background", "move", "resize")
"""The edits of the demo's rows: those that the model gets right four times in five, as MODEL/scores.json says."""
