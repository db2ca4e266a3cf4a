"""Estimators of a server's limit on calls a minute: one for each way in which servers count.

An estimator is given the times at which calls started, were accepted and were refused, and gives back a pace in calls a
second. It decides nothing: `dataflow/pools/pace.py` chooses which estimate counts, and when to probe for more.
"""
