"""Quotas: a number of accepted rows in a mix of operations, for a limited amount of money."""

from dataflow.quota.quota import Quota

__all__ = ["Quota"]
