"""Makes the pictures of the documentation anew: a run of the demo, looked at in a real browser.

python docs/images/make_screenshots.py [CACHE_PATH]

Without a directory the demo makes 120 accepted edits first, in some minutes. It needs the extra `dev`, Chromium
with its driver, and a font with Chinese characters: `apt-get install chromium chromium-driver fonts-noto-cjk`.
"""

import subprocess
import sys
import tempfile
import time
from io import BytesIO
from itertools import islice
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from dataflow.utils.rowfiles import read_rows  # noqa: E402 - it is run as a file
from dataflow.view.catalogue import choose_step  # noqa: E402
from dataflow.view.contact_sheet import write_contact_sheet  # noqa: E402
from tests.kit.browser import Keys, Window, page_of, window  # noqa: E402

HERE = Path(__file__).parent
PIPELINE = ROOT / "gpu_pipelines" / "image_edit_synthesis_pipeline.py"
_SETTLED = 1.2  # seconds after which nothing on the page moves


def shoot(page: Window, name: str) -> None:
    """Save what is on the page."""
    time.sleep(_SETTLED)
    image = Image.open(BytesIO(page.driver.get_screenshot_as_png())).convert("RGB")
    image.save(HERE / f"{name}.png", optimize=True)


def tour(address: str) -> None:
    """Everything that the pages of the documentation show."""
    with window(1280, 860) as page:
        page.open(address)
        page.one(".card")
        page.press("g")
        shoot(page, "page")
        page.press("g", "w", Keys.ENTER)
        page.one(".detail .frame img.after")
        page.press("m")
        shoot(page, "page_row")
        page.press(Keys.ESCAPE, "L", Keys.ENTER)
        page.one(".answers")
        shoot(page, "page_label")


def draw_sheet(cache: Path, step: str) -> None:
    """The contact sheet of some accepted and some rejected rows."""
    kept, rejected = (cache / f"{step}{side}.jsonl" for side in ("", ".rejected"))
    rows = [row for path, most in ((kept, 6), (rejected, 3)) for _, row in islice(read_rows(path), most)]
    write_contact_sheet(
        rows,
        HERE / "contact_sheet.png",
        image_key="input_image",
        conversation_key="conversations",
        output_key="edited_images",
        resolve=Path,
        title="Eight operations",
    )


def main() -> None:
    """Run the demo if no directory is named, and look at it."""
    with tempfile.TemporaryDirectory() as work:
        cache = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(work) / "eight_operations"
        if len(sys.argv) == 1:
            flags = ["--serving_type", "demo", "--accepted", "120", "--cache_path", str(cache)]
            subprocess.run([sys.executable, str(PIPELINE), *flags], cwd=work, check=True)  # noqa: S603 - our own file
        step = choose_step(cache, None)
        draw_sheet(cache, step)
        with page_of(cache, step, Path(work) / "labels.jsonl") as address:
            tour(address)


if __name__ == "__main__":
    main()
