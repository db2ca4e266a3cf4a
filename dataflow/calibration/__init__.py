"""What people say of edits, and what it is worth: samples to be labelled, statistics, thresholds with a promise."""
