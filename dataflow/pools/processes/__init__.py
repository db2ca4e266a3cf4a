"""A worker in processes of its own, one for each device."""
