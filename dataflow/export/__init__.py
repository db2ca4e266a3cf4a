"""Writes the accepted rows of a cache directory as files that trainers read.

`export` is the only call. A format is a value of `Format`; `dataflow.export.formats` says how to write one.
"""

from dataflow.export.formats import Format, Output, Takes
from dataflow.export.job import Exported
from dataflow.export.records import Record
from dataflow.export.run import export

__all__ = ["Exported", "Format", "Output", "Record", "Takes", "export"]
