"""Model families of checkpoints that need no weights."""

import json
from pathlib import Path

from dataflow.core.records import JSON
from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, backend_of


def family(pipeline: str, **index: JSON) -> Backend:
    """The family of a pipeline class, for a checkpoint whose model_index.json has further fields `index`."""
    return backend_of(Checkpoint(Path("/nowhere"), {"_class_name": pipeline, **index}))


def family_of_vae(folder: Path, pipeline: str, **vae: JSON) -> Backend:
    """The family of a pipeline class, for a checkpoint in `folder` whose autoencoder has the configuration `vae`."""
    (folder / "vae").mkdir()
    (folder / "vae" / "config.json").write_text(json.dumps(vae), encoding="utf-8")
    return backend_of(Checkpoint(folder, {"_class_name": pipeline}))
