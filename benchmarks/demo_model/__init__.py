"""The demo model's networks, data and two stages of training: `python -m benchmarks.demo_model.train`."""
