"""Every answer of a cache directory, its index, its lock and its sums of money."""
