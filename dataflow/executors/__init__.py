"""Where workers run, beside this machine: one cluster's software a file."""
