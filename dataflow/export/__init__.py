"""Data that goes out: the accepted rows of a cache directory as files that trainers read.

`export` does it all; a format is a value, see `dataflow.export.formats`.
"""

from dataflow.export.formats import Format, Output, Takes
from dataflow.export.job import Exported
from dataflow.export.records import Record
from dataflow.export.run import export

__all__ = ["Exported", "Format", "Output", "Record", "Takes", "export"]
