"""The command line: `dataflowmm`, and what the example pipelines share."""
