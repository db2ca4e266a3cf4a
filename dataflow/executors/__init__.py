"""Runs workers elsewhere than on this machine; `ray` is the only kind of cluster so far."""
