"""What `python -m dataflow.demo.train` is made of: the demo model's networks, data and two stages of training."""
