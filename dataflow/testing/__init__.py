"""Stand-ins for models, for the tests of your own operators and pipelines: nothing is downloaded, nothing is paid."""

from dataflow.testing.server import image_server
from dataflow.testing.worker import ScriptedWorker

__all__ = ["ScriptedWorker", "image_server"]
