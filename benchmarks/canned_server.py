"""A server that sends one prepared reply to every POST after a fixed time, and does nothing else.

It costs next to nothing beside the client it is there to measure: requests are counted off by their
length, never parsed, and the reply is sent from one buffer without copies.
"""

import argparse
import asyncio
import base64
import io
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import orjson
from PIL import Image

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "example_data/image_gen/image_edit/image5.png"
_END_OF_HEAD = b"\r\n\r\n"


def make_picture(pixels: int, size: int) -> bytes:
    """A PNG of about `size` bytes: a photo with as much noise as that takes."""
    with Image.open(PICTURE) as opened:
        photo = np.asarray(opened.convert("RGB").resize((pixels, pixels)), dtype=np.float64)
    noise = np.random.default_rng(7).normal(size=photo.shape)
    low, high, data = 0.0, 60.0, b""
    for _ in range(12):
        middle = (low + high) / 2
        file = io.BytesIO()
        Image.fromarray(np.clip(photo + noise * middle, 0, 255).astype(np.uint8)).save(file, "PNG")
        data = file.getvalue()
        low, high = (low, middle) if len(data) > size else (middle, high)
        if abs(len(data) - size) < size // 200:
            break
    return data


async def _answer(sock: socket.socket, reply: memoryview, latency: float) -> None:
    loop = asyncio.get_running_loop()
    buffer = bytearray(256 << 10)
    try:
        while True:
            head = b""
            while _END_OF_HEAD not in head:
                head += bytes(buffer[: await _received(sock, buffer)])
            head, _, begun = head.partition(_END_OF_HEAD)
            length = head.lower().partition(b"content-length:")[2]
            if not length:  # a look at what kind of server this is
                await loop.sock_sendall(sock, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                continue
            left = int(length.split(b"\r\n")[0]) - len(begun)
            while left > 0:
                left -= await _received(sock, buffer)
            await asyncio.sleep(latency)
            await loop.sock_sendall(sock, reply)
    except ConnectionError:
        pass
    finally:
        sock.close()


async def _received(sock: socket.socket, buffer: bytearray) -> int:
    count = await asyncio.get_running_loop().sock_recv_into(sock, buffer)
    if not count:
        raise ConnectionResetError
    return count


async def _serve(picture: bytes, latency: float) -> None:
    body = orjson.dumps({"created": 1, "data": [{"b64_json": base64.b64encode(picture).decode()}]})
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    reply = memoryview(head.encode() + body)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
    tasks = set()
    while True:
        sock, _ = await asyncio.get_running_loop().sock_accept(listener)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = asyncio.create_task(_answer(sock, reply, latency))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


@contextmanager
def canned_server(picture: Path, latency: float) -> Iterator[str]:
    """The address of a server process that answers every request with this picture."""
    command = [sys.executable, "-m", "benchmarks.canned_server", str(picture), "--latency", str(latency)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Answer every POST with one picture; prints the address.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--latency", type=float, default=1.0, help="seconds")
    options = parser.parse_args()
    asyncio.run(_serve(options.picture.read_bytes(), options.latency))


if __name__ == "__main__":
    main()
