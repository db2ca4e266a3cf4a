"""One step on whatever executor the environment names, by a worker of this very script: python a_run.py FOLDER ROWS"""

import sys
from pathlib import Path

from dataflow.errors import Interrupted
from tests.kit.far import Far
from tests.kit.flow import Ask, prompts_storage


class Own(Far):
    """Of `__main__`."""


if __name__ == "__main__":
    folder, rows = Path(sys.argv[1]), int(sys.argv[2])
    try:
        Ask(Own()).run(prompts_storage(folder, [f"p{n}" for n in range(rows)]).step())
    except Interrupted as error:
        sys.exit(error.exit_code)
