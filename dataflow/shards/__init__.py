"""What becomes of the shards of one run together: how far they are, and their cache directories merged into one."""

from dataflow.shards.merge import Merged, merge

__all__ = ["Merged", "merge"]
