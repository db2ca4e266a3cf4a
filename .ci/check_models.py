"""Find models that we name and that are served no more, and prices that are old: `make check-models`, by today's date.

`python .ci/check_models.py 2027-02-01` looks by another date. What goes within 60 days is told and fails nothing.

Every model of a provider in the docs, the example pipelines and their data must be in `models.yaml`, and still be
served; so must the defaults. A paragraph that says of its models that they are gone may name them. The guide's own
blocks stay as they are printed.
"""

import os
import re
import sys
from datetime import date, timedelta
from pathlib import Path

from dataflow.money.prices import OLD_DAYS, SHIPPED, read_prices
from dataflow.serving.api.models import FILE, default_model, known_model

HOME = Path(__file__).parent.parent
PLACES = ("README*.md", "docs/**/*.md", "gpu_pipelines/*.py", "example_data/**/*.jsonl", "example_data/**/*.md")
FAMILIES = "gemini|gpt|chatgpt|dall-e|claude|imagen|seedream"
NAME = re.compile(rf'model_name="([^"/]+-[^"/]+)"|(?<![\w/-])((?:{FAMILIES})-[\w.-]*\d(?:[\w.-]*\w)?)(?![\w*-])')
SOON = timedelta(days=60)
GONE = re.compile(r"shut down|rerouted|retired|下线|停用")


def named_models(root: Path) -> dict[str, list[str]]:
    """Each model that is named in what users read and run, and where: `path:line`."""
    found: dict[str, list[str]] = {}
    for path in sorted({path for place in PLACES for path in root.glob(place)}):
        text = path.read_text(encoding="utf-8")
        for match in NAME.finditer(text):
            start, end = text.rfind("\n\n", 0, match.start()), text.find("\n\n", match.end())
            if not GONE.search(text, max(start, 0), end if end >= 0 else len(text)):
                line = text.count("\n", 0, match.start()) + 1
                found.setdefault(next(filter(None, match.groups())), []).append(
                    f"{path.relative_to(root).as_posix()}:{line}"
                )
    return found


def problems(root: Path, today: date) -> list[str]:
    """What is to be put right, one sentence each; none if all is well on this day."""
    named = {name: places[0] for name, places in named_models(root).items()}
    named |= {default_model(makes): "a default" for makes in ("image", "text")}
    found = [problem for name, place in sorted(named.items()) if (problem := _problem(name, place, today))]
    table = read_prices(None).layers[0]
    if table.days_old(today) > OLD_DAYS:
        found.append(f"{SHIPPED.name}: read on {table.date}, over {OLD_DAYS} days ago: read the providers' pages again")
    return found


def _problem(name: str, place: str, today: date) -> str:
    model = known_model(name)
    if model is None:
        return f"{place}: {name} is not in {FILE.name} (add it, with what its provider says of its end)"
    return f"{place}: {name}, {model.end} (its successor: {model.successor})" if model.is_gone(today) else ""


if __name__ == "__main__":
    today = date.fromisoformat(sys.argv[1]) if sys.argv[1:] else date.today()
    found = problems(HOME, today)
    print("\n".join(found) or "every model that is named is served, and the prices are of the last 90 days")
    mark = "::warning::" if "GITHUB_ACTIONS" in os.environ else "soon: "  # nobody reads what a green run prints
    for problem in sorted(set(problems(HOME, today + SOON)) - set(found)):
        print(f"{mark}{problem}")
    sys.exit(bool(found))
