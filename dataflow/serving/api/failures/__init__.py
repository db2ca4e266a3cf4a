"""From a failed attempt to the failure that says who must act."""
