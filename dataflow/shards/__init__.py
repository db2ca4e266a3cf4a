"""The shards of one run taken together: their status, and the merge of their cache directories into one."""

from dataflow.shards.merge import Merged, merge

__all__ = ["Merged", "merge"]
