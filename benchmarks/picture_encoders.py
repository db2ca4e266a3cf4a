"""CPU and bytes of each way to write a 1024 x 1024 picture without loss: what keeps up with a GPU?

OMP_NUM_THREADS=1 python -m benchmarks.picture_encoders

Two pictures: one like a photo (noise of every scale over gradients, as a diffusion model gives) and one of the demo's
drawings, enlarged. CPU time of one thread, the least of several runs, since other work only adds to it. OpenCV and
ISA-L are measured where they are installed; every file is read back and compared.
"""

import argparse
import importlib.util
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from typing import Any

import numpy
from PIL import Image

from dataflow.io.encode import rgb_png

SIDE = 1024
Encoder = Callable[[Image.Image], bytes]


def photo() -> Image.Image:
    """Noise whose amplitude falls with its frequency, as in photographs, and a little grain."""
    random = numpy.random.default_rng(1)
    ys, xs = numpy.fft.fftfreq(SIDE)[:, None], numpy.fft.fftfreq(SIDE)[None, :]
    falling = 1 / numpy.maximum(numpy.hypot(ys, xs), 1 / SIDE) ** 1.6
    shared = random.normal(size=(SIDE, SIDE))
    planes = []
    for _ in range(3):
        noise = 0.8 * shared + 0.2 * random.normal(size=(SIDE, SIDE))
        plane = numpy.fft.ifft2(numpy.fft.fft2(noise) * falling).real
        planes.append(128 + 50 * plane / plane.std() + random.normal(size=(SIDE, SIDE)))
    return Image.fromarray(numpy.clip(numpy.rint(numpy.stack(planes, -1)), 0, 255).astype(numpy.uint8))


def drawing() -> Image.Image:
    """One of the demo's pictures at sixteen times its size."""
    from dataflow.demo.world import Scene, Shape, draw

    scene = Scene((Shape("star", "red", "large", 20, 20), Shape("circle", "blue", "medium", 44, 40)), "beige")
    return draw(scene).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def pillow(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def opencv(image: Image.Image, settings: tuple[int, ...] = ()) -> bytes:
    import cv2

    return cv2.imencode(".png", numpy.asarray(image)[:, :, ::-1], list(settings))[1].tobytes()


def with_isal(image: Image.Image) -> bytes:
    """Our file, compressed by Intel's library instead."""
    from isal import isal_zlib

    pixels = numpy.asarray(image).reshape(SIDE, -1)
    lines = numpy.full((SIDE, 1 + pixels.shape[1]), 2, numpy.uint8)
    lines[0, 1:] = pixels[0]
    numpy.subtract(pixels[1:], pixels[:-1], out=lines[1:, 1:])
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">II5B", SIDE, SIDE, 8, 2, 0, 0, 0))
    return start + chunk(b"IDAT", isal_zlib.compress(lines, level=1)) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encoders() -> Iterator[tuple[str, Encoder]]:
    yield "Pillow PNG, as Pillow does it (level 6)", pillow
    yield "Pillow PNG level 1", partial(pillow, compress_level=1)
    yield "Pillow PNG level 1, Huffman only", partial(pillow, compress_level=1, compress_type=2)
    yield "Pillow PNG level 1, RLE", partial(pillow, compress_level=1, compress_type=3)
    yield "lines as differences by numpy, zlib RLE: ours (dataflow/io/encode.py)", rgb_png
    if importlib.util.find_spec("isal"):
        yield "the same, compressed by ISA-L level 1", with_isal
    if importlib.util.find_spec("cv2"):
        import cv2

        told = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY)
        yield "OpenCV PNG level 1, RLE", partial(opencv, settings=(*told, cv2.IMWRITE_PNG_STRATEGY_RLE))
        yield "OpenCV PNG, as OpenCV does it", opencv
    yield "Pillow WebP lossless, method 0, quality 0", partial(pillow, kind="WEBP", lossless=True, method=0, quality=0)


def least_cpu(work: Callable[[], bytes], rounds: int) -> float:
    """Seconds."""
    took = []
    for _ in range(rounds):
        began = time.thread_time()
        work()
        took.append(time.thread_time() - began)
    return min(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    pictures = {"photo": photo(), "drawing": drawing()}
    print("| encoder | " + " | ".join(f"{name}: ms CPU, MB" for name in pictures) + " |")
    print("|---|" + "---|" * len(pictures))
    for name, encode in encoders():
        cells = []
        for image in pictures.values():
            data = encode(image)
            assert numpy.array_equal(numpy.asarray(Image.open(BytesIO(data)).convert("RGB")), numpy.asarray(image)), (
                name
            )
            cells.append(f"{1000 * least_cpu(partial(encode, image), rounds):.0f}, {len(data) / 1e6:.2f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
