"""Stand-ins for models, for tests of your own operators and pipelines, without downloads and without costs."""

from dataflow.testing.server import image_server
from dataflow.testing.worker import ScriptedWorker

__all__ = ["ScriptedWorker", "image_server"]
