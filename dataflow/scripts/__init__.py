"""The code that the example pipelines of `gpu_pipelines/` share: flags, servings, judging, summaries, exit codes."""
