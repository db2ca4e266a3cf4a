"""Print what the package and one of its extras require, less what brings torch: `make check` and `make docs`."""

import re
import sys
import tomllib
from pathlib import Path

BRINGS_TORCH = {"accelerate", "diffusers", "torch", "transformers"}

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
required = project["dependencies"] + project["optional-dependencies"][sys.argv[1]]
print(*(each for each in required if re.split(r"\W", each)[0] not in BRINGS_TORCH))
