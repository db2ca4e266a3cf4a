"""So many accepted rows, in this mix, for at most so much money: what is handed out, and what it will come to."""

from dataflow.quota.quota import Quota

__all__ = ["Quota"]
