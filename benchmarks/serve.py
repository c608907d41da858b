"""How the server bears many clients at once, on loopback: time to answer, memory, and what it says when full.

``python -m benchmarks.serve [load] [adding]``, over the bundled sample. The server runs in a process of its
own, as users start it.

``load``, half a minute each:

1. start: seconds until `i2v-search serve` is ready;
2. below the limit: clients that together ask for less than the rate limit, for searches by id, uploads and
   thumbnails: no error is allowed;
3. beside bad neighbours: the same, while some clients send a byte a second and others hang up on their
   requests;
4. above the rate limit: clients that do not wait, as fast as answers come;
5. the same without a rate limit, and more clients than may wait: every answer of these two must be good, or
   a 429 or 503 with Retry-After.

``adding``: one person searches by id five times a second while half of the sample is added to the other half:
by nobody, by the library in a process like any other, and by the command, which gives way.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks.timing import run_parts, table
from i2v_search import Collection, sample_directory

_ADDRESS = re.compile(rb"http://127\.0\.0\.1:(\d+)")
#: Of the load that the server has to bear without an error.
CLIENTS, SECONDS, RATE = 8, 30.0, 40.0
#: Of adding, in turns.
ROUNDS = 3
PARTS = (
    "below the limit",
    "beside bad neighbours",
    "above the rate limit",
    "more than the queues hold",
)
#: Share of each kind of request.
MIX = {"search": 0.5, "thumbnail": 0.4, "upload": 0.1}


@dataclass
class Load:
    """What came of a number of requests.

    Attributes:
        milliseconds: to answer, by kind; good answers only.
        statuses: how often each was answered; 0 where there was no answer.
        faults: what should not have happened.
    """

    milliseconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in MIX})
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, kind: str, answer: httpx.Response, milliseconds: float) -> None:
        """Count an answer."""
        self.statuses[answer.status_code] += 1
        if answer.status_code in {429, 503}:
            body = answer.json()
            if "retry-after" not in answer.headers or body["error"]["code"] not in {
                "too_many_requests",
                "busy",
            }:
                self.faults.append(f"{answer.status_code} without Retry-After: {answer.text[:200]}")
        elif answer.status_code >= 400:
            self.faults.append(f"{kind}: {answer.status_code} {answer.text[:200]}")
        else:
            self.milliseconds[kind].append(milliseconds)

    def summary(self, seconds: float) -> dict[str, Any]:
        """Numbers for people and JSON."""
        told: dict[str, Any] = {
            kind: {
                "requests": len(values),
                "p50_ms": round(float(np.percentile(values, 50)), 1),
                "p95_ms": round(float(np.percentile(values, 95)), 1),
                "p99_ms": round(float(np.percentile(values, 99)), 1),
            }
            for kind, values in self.milliseconds.items()
            if values
        }
        told["requests_per_second"] = round(sum(self.statuses.values()) / seconds, 1)
        told["statuses"] = {str(status): count for status, count in sorted(self.statuses.items())}
        told["faults"] = len(self.faults)
        return told


@dataclass(frozen=True)
class Served:
    """A server in a process of its own."""

    url: str
    seconds_to_start: float
    process: int

    def memory(self) -> int:
        """Bytes that the server and its children have for themselves alone."""
        return _private_bytes(self.process)


@contextlib.contextmanager
def served(collection: Path, *options: str) -> Iterator[Served]:
    """Start the server on a free port, and stop it as Ctrl-C does."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-c", "from i2v_search.cli.main import main; main()", "serve"]
        command += ["--collection", str(collection), "--no-open", "--access-log", os.devnull]
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--port", "0", *options],
            stdout=subprocess.PIPE,
            env={**os.environ, "XDG_CACHE_HOME": cache},
        )
        try:
            assert process.stdout is not None
            found = _ADDRESS.search(process.stdout.readline())
            assert found is not None, "the server did not start"
            url = f"http://127.0.0.1:{int(found[1])}"
            httpx.get(f"{url}/api/v1/health").raise_for_status()
            yield Served(url, time.perf_counter() - started, process.pid)
        finally:
            process.terminate()
            process.communicate(timeout=60)


async def put_load(
    url: str,
    images: Sequence[int],
    *,
    clients: int,
    seconds: float,
    rate: float | None,
    part: str = "",
    enough: Callable[[Load], bool] = lambda _: False,
) -> Load:
    """Let clients ask for a mix of things.

    Args:
        url: of the server.
        images: ids to ask for.
        clients: at once, each on a connection of its own.
        seconds: how long.
        rate: requests a second of all clients together; None: as fast as answers come.
        part: the same part asks for the same things; another one uploads other pictures.
        enough: stops before the seconds are over, once it is true.
    """
    load, end = Load(), time.perf_counter() + seconds
    pause = 0.0 if rate is None else clients / rate

    async def client(seed: int) -> None:
        generator = random.Random(f"{part} {seed}")
        async with httpx.AsyncClient(base_url=url, timeout=60) as session:
            due = time.perf_counter() + generator.random() * pause
            while time.perf_counter() < end and not enough(load):
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                due += pause
                kind = generator.choices(list(MIX), list(MIX.values()))[0]
                request = _requests(session, generator, images)[kind]
                begun = time.perf_counter()
                try:
                    answer = await request()
                except httpx.TransportError as error:
                    load.statuses[0] += 1
                    load.faults.append(f"{kind}: {error!r}")
                    continue
                load.add(kind, answer, (time.perf_counter() - begun) * 1000)

    await asyncio.gather(*(client(seed) for seed in range(clients)))
    return load


async def be_bad(
    url: str, *, seconds: float, slow: int = 20, rude: int = 4, enough: Callable[[], bool] = lambda: False
) -> None:
    """Send a byte a second on some connections; on others ask, and hang up at once."""
    host, port = url.removeprefix("http://").split(":")
    end = time.perf_counter() + seconds

    def goes_on() -> bool:
        return time.perf_counter() < end and not enough()

    body = json.dumps({"examples": [{"id": 0}], "top": 200}).encode()
    head = "POST /api/v1/{} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"

    async def trickle() -> None:
        while goes_on():
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(host, int(port))
                writer.write(head.format("uploads", "image/png", 10_000).encode())
                while goes_on() and not writer.is_closing():
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(1)
                writer.close()

    async def hang_up() -> None:
        while goes_on():
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(host, int(port))
                writer.write(head.format("search", "application/json", len(body)).encode() + body)
                await writer.drain()
                writer.close()
            await asyncio.sleep(0.25)

    await asyncio.gather(*(trickle() for _ in range(slow)), *(hang_up() for _ in range(rude)))


def _requests(
    session: httpx.AsyncClient, generator: random.Random, images: Sequence[int]
) -> dict[str, Callable[[], Awaitable[httpx.Response]]]:
    image = generator.choice(images)
    return {
        "search": lambda: session.post("/api/v1/search", json={"examples": [{"id": image}], "top": 60}),
        "thumbnail": lambda: session.get(f"/api/v1/images/{image}/thumbnail", params={"size": 320}),
        "upload": lambda: session.post(
            "/api/v1/uploads", content=_picture(generator), headers={"Content-Type": "image/jpeg"}
        ),
    }


def _picture(generator: random.Random) -> bytes:
    """A JPEG of 800 x 600 px that was never there before."""
    small = Image.frombytes("RGB", (8, 6), generator.randbytes(8 * 6 * 3))
    file = io.BytesIO()
    small.resize((800, 600), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


def _private_bytes(process: int) -> int:
    """Private memory of a process and those that it started, as Linux tells it; 0 elsewhere."""
    folder = Path(f"/proc/{process}")
    try:
        rollup = (folder / "smaps_rollup").read_text()
        children = [
            int(child) for file in folder.glob("task/*/children") for child in file.read_text().split()
        ]
    except OSError:
        return 0
    own = sum(int(kilobytes) for kilobytes in re.findall(r"^Private_\w+:\s+(\d+)", rollup, re.MULTILINE))
    return 1024 * own + sum(map(_private_bytes, children))


def run(collection: Path, *, clients: int, seconds: float, rate: float) -> dict[str, Any]:
    """All parts; the numbers as JSON-ready values."""
    told: dict[str, Any] = {}
    with served(collection) as server:
        told["seconds_to_start"] = round(server.seconds_to_start, 2)
        images = image_ids(server.url)

        def load(part: str, *, clients: int = clients, rate: float | None = rate) -> Awaitable[Load]:
            return put_load(server.url, images, clients=clients, seconds=seconds, rate=rate, part=part)

        async def among_bad_neighbours() -> Load:
            return (await asyncio.gather(load("bad"), be_bad(server.url, seconds=seconds)))[0]

        parts: dict[str, Callable[[], Awaitable[Load]]] = {
            "warming up": lambda: load("warming up"),
            "below the limit": lambda: load("below"),
            "beside bad neighbours": among_bad_neighbours,
            "above the rate limit": lambda: load("above", clients=4 * clients, rate=None),
        }
        told |= {part: _measured(server, begin, seconds) for part, begin in parts.items()}
    with served(collection, "--rate", "0") as server:
        crowd = put_load(server.url, images, clients=10 * clients, seconds=seconds, rate=None)
        told["more than the queues hold"] = _measured(server, lambda: crowd, seconds)
    return told


def image_ids(url: str) -> list[int]:
    """The first images of a server's collection."""
    hits = httpx.post(f"{url}/api/v1/search", json={"top": 200}).json()["hits"]
    return [hit["id"] for hit in hits]


def _measured(server: Served, begin: Callable[[], Awaitable[Load]], seconds: float) -> dict[str, Any]:
    async def wait() -> Load:
        return await begin()

    before = server.memory()
    load = asyncio.run(wait())
    memory = {"memory_mb": [round(before / 1e6), round(server.memory() / 1e6)]}
    return load.summary(seconds) | memory | {"first_faults": load.faults[:3]}


def load_part(command: str) -> str:
    """The table of all parts."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "sample"
        Collection.build(directory, [sample_directory()])
        told = run(directory, clients=CLIENTS, seconds=SECONDS, rate=RATE)
    lines = []
    for part in PARTS:
        found = told[part]
        times = [f"{found[kind]['p50_ms']:.0f} / {found[kind]['p95_ms']:.0f}" for kind in MIX]
        answers = ", ".join(f"{count:,} x {status}" for status, count in found["statuses"].items())
        memory = " to ".join(str(size) for size in found["memory_mb"])
        lines.append([part, *times, answers, str(found["faults"]), memory])
    kinds = [f"{kind}, p50 / p95 ms" for kind in MIX]
    return (
        f"{command}. The sample; {CLIENTS} clients that ask {RATE:.0f} times a second together for "
        f"{SECONDS:.0f} s, half searches, {MIX['thumbnail']:.0%} thumbnails, {MIX['upload']:.0%} uploads of "
        f"new pictures; above the limits {4 * CLIENTS} and {10 * CLIENTS} that do not wait. Faults: answers "
        "that are neither good nor 429 or 503 with Retry-After. Memory: private to the server's processes, "
        f"before and after. Ready {told['seconds_to_start']:.1f} s after its start.\n\n"
        + table(["part", *kinds, "answers", "faults", "memory, MB"], lines)
    )


_ADD = "import sys; from i2v_search import Collection; Collection.open(sys.argv[1]).add(sys.argv[2:])"
_ADDERS = {
    "the library": [sys.executable, "-c", _ADD],
    "the command": [sys.executable, "-m", "i2v_search", "add", "--collection"],
}


def adding_part(command: str) -> str:
    """The table of searches while pictures are added."""
    folders = sorted(path for path in sample_directory().iterdir() if path.is_dir())
    waits: dict[str, list[float]] = {"nobody": [], **{name: [] for name in _ADDERS}}
    seconds: dict[str, list[float]] = {name: [] for name in _ADDERS}
    with tempfile.TemporaryDirectory() as scratch:
        half = Path(scratch) / "half"
        Collection.build(half, folders[::2])
        for number in range(ROUNDS):
            for name, adder in _ADDERS.items():
                directory = Path(scratch) / f"{name} {number}"
                shutil.copytree(half, directory)
                with served(directory, "--rate", "0") as server:
                    images = image_ids(server.url)
                    waits["nobody"] += _searches(server.url, images, time.sleep, 5.0)
                    started = time.perf_counter()
                    with subprocess.Popen([*adder, str(directory), *folders[1::2]]) as process:
                        waits[name] += _searches(server.url, images, process.wait)
                        seconds[name].append(time.perf_counter() - started)
    lines = []
    for name, times in waits.items():
        p50, p95 = np.percentile(times, [50, 95])
        took = f"{np.median(seconds[name]):.1f}" if name in seconds else ""
        lines.append([name, f"{len(times):,}", f"{p50:.0f}", f"{p95:.0f}", f"{max(times):.0f}", took])
    heads = ["who adds", "searches", "p50, ms", "p95, ms", "longest, ms", "adding takes, s"]
    return f"{command}. {ROUNDS} rounds, in turns; medians of the seconds.\n\n" + table(heads, lines)


def _searches(url: str, images: Sequence[int], wait: Callable[..., object], *seconds: float) -> list[float]:
    """Milliseconds of searches by id, five a second, until something that waits has ended."""
    times, generator = list[float](), random.Random(0)
    over = threading.Event()

    def watch() -> None:
        wait(*seconds)
        over.set()

    threading.Thread(target=watch, daemon=True).start()
    with httpx.Client(base_url=url, timeout=60) as session:
        while not over.wait(0.2):
            begun = time.perf_counter()
            asked = {"examples": [{"id": generator.choice(images)}], "top": 60}
            session.post("/api/v1/search", json=asked).raise_for_status()
            times.append((time.perf_counter() - begun) * 1000)
    return times


if __name__ == "__main__":
    run_parts("serve", ["fastapi", "uvicorn", "httpx"], {"load": load_part, "adding": adding_part})
