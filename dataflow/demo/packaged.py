"""The demo model that ships in the package, and how it is asked."""

from pathlib import Path

MODEL = Path(__file__).parent / "model"
"""A FluxKontextPipeline of some three million parameters; its README.md says what it can do and how well."""

STEPS = 6
"""Denoising steps: what the accuracies of MODEL/scores.json were measured with."""

TOKENS = 64
"""Length of its texts. Padding them to the pipelines' 512 changes little it paints and takes six times as long."""

SHOWN: tuple[str, ...] = ("recolour", "replace", "remove", "add", "background", "move", "resize")
"""The edits that the demo's rows show: those it does rightly four times in five, by its scores.json."""
