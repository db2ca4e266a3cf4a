"""Print what the package and its extra `check` require, less what brings torch: the environment of `make check`."""

import re
import tomllib
from pathlib import Path

BRINGS_TORCH = {"accelerate", "diffusers", "torch", "transformers"}

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
required = project["dependencies"] + project["optional-dependencies"]["check"]
print(*(each for each in required if re.split(r"\W", each)[0] not in BRINGS_TORCH))
