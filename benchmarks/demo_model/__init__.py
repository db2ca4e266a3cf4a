"""The networks, the data and the two stages of training of the demo model: `python -m benchmarks.demo_model.train`."""
