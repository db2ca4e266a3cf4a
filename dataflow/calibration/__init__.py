"""Samples of edits for people to label, statistics of the labels, and thresholds that the labels vouch for."""
