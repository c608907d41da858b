"""What strangers call their files never controls a terminal, and programs can read every answer of a command.

Every command is walked, with names and tags that hold escape sequences, line feeds, turned
text and markup, on every kind of standard output.
"""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
from command_tree import commands
from grids import GridEncoder
from PIL import Image

from i2v_search.cli.bars import LINE_SECONDS, Lines, progress
from i2v_search.cli.console import Console
from i2v_search.cli.main import app, main
from i2v_search.collection.collection import Collection
from i2v_search.encoders import registry
from i2v_search.escapes import visible
from i2v_search.progress import Progress

EVIL = "\x1b]52;c;cHduZWQ=\x07\x9b2J\u202egnp\u2066\u200b\r\n"
NAMES = [
    f"{EVIL}1.png",
    "zz\n/2\x1b[2J.png",
    "[link=http:x]3[bold].png",
    ":cat:4.png",
    '=HYPERLINK("x")5.png',
    "bad\udcff6.png",
    "ガール7.png",
    "8.png",
]
BROKEN = f"{EVIL}broken.png"
TAGS = [f"{EVIL}tag", "[red]x[/red]", "=cmd()", "ガール", "plain"]
#: What reads an argument that nobody has: its error names it.
NOBODY = f"{EVIL}nobody"

#: Every command, so that it says as much of names as it can.
WALK: dict[str, list[str]] = {
    "build": ["art", "-c", "new", "--encoder", "grid"],
    "extract": ["art", "-c", "new", "--encoder", "grid"],
    "index": [],
    "add": ["art"],
    "remove": ["0"],
    "search": ["1", "--tags", "plain"],
    "morph": ["1", "5", "--steps", "2"],
    "order": ["--like", "1", "--grid"],
    "gaps": ["--top", "3"],
    "quiz": [NOBODY, "--score"],
    "serve": ["-c", NOBODY],
    "mcp": ["-c", NOBODY],
    "start": ["--desktop-entry"],
    "info": [],
    "map": ["--out", f"{EVIL}map.html", "--method", "pca"],
    "duplicates": ["--kind", "pixels"],
    "verify": [],
    "compact": [],
    "relocate": ["art", f"{EVIL}moved", "--force"],
    "merge": [NOBODY],
    "push": ["--milvus-uri", NOBODY],
    "sync": ["--milvus-uri", NOBODY],
    "export": [f"{EVIL}all.csv"],
    "import": [NOBODY],
    "notes": [f"{EVIL}notes"],
    "tag": ["art"],
    "boards list": [],
    "boards show": [NOBODY],
    "boards put": [f"{EVIL}board", "1"],
    "boards take": [NOBODY, "1"],
    "boards order": [NOBODY, "--by", "colour"],
    "boards export": [NOBODY, "out"],
    "models available": [],
    "models get": [NOBODY],
    "models import": [NOBODY],
    "models list": [],
    "models info": [NOBODY],
    "models quantize": [NOBODY, "art"],
    "models remove": [NOBODY],
    "demo": ["-c", f"art/{BROKEN}/{NOBODY}"],
    "train": [NOBODY, "--out", "trained"],
    "evaluate": ["art", "--encoder", "grid", "--tags"],
    "dataset info": ["art"],
    "dataset convert": ["art", "--out", "converted.jsonl"],
    "dataset write": ["shared"],
}
PROGRAM = f"{sys.executable} -m i2v_search"
FAILING = {name for name, arguments in WALK.items() if any(NOBODY in argument for argument in arguments)}
#: Commands of which `--json` prints a document a line.
LINES = {"tag"}


@dataclass(frozen=True)
class Done:
    code: int
    out: bytes
    err: bytes


Run = Callable[..., Done]


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of images with hostile names and tags, and a collection of it in the default place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._FACTORIES, "grid", lambda _: GridEncoder())
        home = tmp_path_factory.mktemp("evil")
        (home / "art" / "zz\n").mkdir(parents=True)
        for number, name in enumerate(NAMES):
            picture = Image.effect_noise((64, 64), 20 + 10 * number).convert("RGB")
            with (home / "art" / name).open("wb") as file:
                picture.save(file, "PNG")
        (home / "art" / BROKEN).write_bytes(b"no picture")
        lines = [json.dumps({"path": name, "tags": TAGS, "label": EVIL}) for name in NAMES if name.isascii()]
        (home / "art" / "tags.jsonl").write_text("\n".join(lines), encoding="utf-8")
        Collection.build(home / "index" / "default", [home / "art"], encoder="grid")
        yield home


@pytest.fixture
def run(evil: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in a folder of its own that holds a copy of the collection."""
    (tmp_path / "art").symlink_to(evil / "art")
    shutil.copytree(evil / "index", tmp_path / "index")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("I2V_SEARCH_MODELS", str(tmp_path / "models"))

    def run(*arguments: str, encoding: str | None = "utf-8", **environment: str) -> Done:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        files = io.BytesIO(), io.BytesIO()
        out = None if encoding is None else io.TextIOWrapper(files[0], encoding)
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(files[1], encoding or "utf-8"))
        monkeypatch.setattr(sys, "argv", ["i2v-search", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        assert isinstance(left.value.code, int)
        return Done(left.value.code, files[0].getvalue(), files[1].getvalue())

    return run


def harmless(printed: bytes, *, coloured: bool = False) -> str:
    """What was printed, if nothing in it controls or hides anything."""
    text = printed.decode("utf-8")
    if coloured:
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    for line in text.split("\n"):
        assert visible(line) == line
    assert "Traceback" not in text
    return text


def test_every_command_is_walked() -> None:
    assert set(WALK) == {name for name, _ in commands(typer.main.get_command(app))}


@pytest.mark.parametrize(
    "stdout",
    [
        {"encoding": "utf-8"},
        {"encoding": "ascii", "FORCE_COLOR": "1", "COLUMNS": "80"},
        {"encoding": "cp932"},
        {"encoding": None},
    ],
    ids=["piped", "coloured", "cp932", "closed"],
)
@pytest.mark.parametrize("command", WALK)
def test_no_name_controls_a_terminal(command: str, stdout: dict[str, Any], run: Run) -> None:
    done = run(*command.split(), *WALK[command], **stdout)
    said = harmless(done.err, coloured="FORCE_COLOR" in stdout) if stdout["encoding"] != "cp932" else ""
    assert (done.code != 0) == (command in FAILING), said
    if stdout["encoding"] == "cp932":
        done.out.decode("cp932")
    else:
        harmless(done.out, coloured="FORCE_COLOR" in stdout)


@pytest.mark.parametrize(
    "command",
    [
        name
        for name, command in commands(typer.main.get_command(app))
        if any("--json" in parameter.opts for parameter in command.params)
    ],
)
def test_json_is_one_document_of_ascii_and_all_else_goes_to_the_error_stream(command: str, run: Run) -> None:
    done = run(*command.split(), *WALK[command], "--json", encoding="ascii", FORCE_COLOR="1")
    harmless(done.err, coloured=True)
    if command in FAILING:
        assert (done.out, done.code != 0) == (b"", True)
        return
    assert done.code == 0, done.err
    text = harmless(done.out)
    assert text.isascii()
    documents = text.splitlines() if command in LINES else [text]
    for document in documents:
        json.loads(document, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_names_reach_programs_as_they_are(run: Run, evil: Path) -> None:
    hits = json.loads(run("search", "1", "--json", "--include-query", "-k", "20").out)["hits"]
    assert {hit["path"].replace("\\xff", "\udcff") for hit in hits} == set(NAMES)
    assert any("\x1b]52" in tag for hit in hits for tag in hit["tags"])
    files = {os.fsencode(evil / "art" / name) for name in NAMES}
    for ending, option in ((b"\n", "-f"), (b"\0", "-0")):
        out = run("search", "1", option, "--include-query", "-k", "20").out
        assert out.endswith(ending)
        assert sorted(out) == sorted(b"".join(file + ending for file in files))
    assert set(run("search", "1", "-0", "--include-query", "-k", "20").out.split(b"\0")) == files | {b""}
    refused = run("search", "1", "-0", "--json")
    assert (refused.code, b"use either --json or --paths-only" in refused.err) == (2, True)


def test_copies_are_moved_by_their_names_whatever_is_in_them(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "twins" / "zz\n"
    folder.mkdir(parents=True)
    for name in ("one\n.png", "two\n.png"):
        Image.effect_noise((64, 64), 30).save(folder / name)
    shutil.copy(folder / "one\n.png", folder / "two\n.png")
    Collection.build(tmp_path / "twice", [tmp_path / "twins"], encoder="grid")
    (tmp_path / "away").mkdir()
    listed = run("duplicates", "-c", "twice", "-0")
    moved = subprocess.run(["xargs", "-0", "mv", "-t", "away", "--"], input=listed.out, check=True)
    assert moved.returncode == 0
    assert len(list(folder.iterdir())) == len(list((tmp_path / "away").iterdir())) == 1


def test_a_table_in_a_pipe_has_a_line_for_each_image_however_long_its_path(run: Run) -> None:
    lines = run("search", "1", "--include-query", "-k", "20").out.decode().splitlines()
    assert len(lines) == len(NAMES) + 2
    for name in NAMES:
        assert any(f" {visible(name)} " in line for line in lines)
    narrow = run("search", "1", "-k", "20", COLUMNS="80").out.decode().splitlines()
    assert max(map(len, narrow)) <= 80


def test_tag_prints_paths_that_lead_there_from_here(run: Run, evil: Path, tmp_path: Path) -> None:
    for here, source in ((evil, "art"), (evil / "art", "."), (tmp_path, str(evil / "art"))):
        os.chdir(here)
        lines = run("tag", source, "--json").out.splitlines()
        paths = [os.fsencode(json.loads(line)["path"]).replace(b"\\xff", b"\xff") for line in lines]
        assert len(paths) == len(NAMES)
        assert all(Path(os.fsdecode(path)).is_file() for path in paths)


def test_every_writer_to_a_stream_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import sys, warnings, logging\nfrom i2v_search.cli.console import guard_streams\nguard_streams()\n"
        f"warnings.warn({EVIL!r})\nlogging.warning({EVIL!r})\nprint({EVIL!r})\n"
        f"sys.stdout.writelines([{EVIL!r}])\nraise ValueError({EVIL!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    for printed in (done.stdout, done.stderr):
        for line in printed.decode().split("\n"):
            assert visible(line) == line
    assert done.stderr.count(rb"\x1b]52") >= 3
    assert done.stdout.count(rb"\x1b]52") == 2


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("search 1 >&-", 0),
        ("search 1 -f >&-", 0),
        ("search 1 -f <&- >&- 2>&-", 0),
        ("search 1 --json >&-", 0),
        ("index >&-", 0),
        ("search 99 >&- 2>&-", 2),
        ("search 1 --json >/dev/full", 1),
        ("search 1 -f >/dev/full", 1),
        ("search 1 >/dev/full", 1),
    ],
)
def test_a_stream_that_takes_nothing_is_no_crash(command: str, code: int, run: Run) -> None:
    done = shell(f"{PROGRAM} {command}")
    assert done.returncode == code, done.stderr
    assert ("No space left" in done.stderr) == ("full" in command)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert Collection.open("index/default").verify() == ()


@pytest.mark.parametrize("options", ["", "-f", "--json"])
def test_a_reader_that_leaves_is_no_error(options: str, run: Run) -> None:
    # The reader is gone before the first line is written.
    done = shell(f"{{ {PROGRAM} search 1 {options}; echo $? >&2; }} | true")
    assert done.stderr in {"1\n", "0\n"}


def test_the_package_is_a_program(run: Run) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "i2v_search", "info", "--json"], capture_output=True, check=True
    )
    assert json.loads(done.stdout)["images"] == len(NAMES)


def test_a_server_names_its_collection_as_it_is_called(run: Run) -> None:
    name = "[red]\x1b[2J[bold]"
    Path("index/default").rename(name)
    command = [sys.executable, "-u", "-m", "i2v_search", "serve", "-c", name, "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        first = process.stdout.readline().decode()
        process.send_signal(signal.SIGINT)
    assert f"{len(NAMES)} images of {visible(name)} at http://127.0.0.1:" in first


def on_a_terminal(*arguments: str) -> str:
    """What Python shows on a terminal, for both streams."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, *arguments], stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = bytearray()
        while True:
            try:
                shown += os.read(ours, 2**16)
            except OSError:  # how Linux says that the other side is closed
                break
    os.close(ours)
    assert process.returncode == 0, shown
    return bytes(shown).decode().replace("\r\n", "\n")


def test_on_a_terminal_paths_are_escaped_as_find_does(run: Run) -> None:
    lines = on_a_terminal("-m", "i2v_search", "search", "1", "-f").splitlines()
    assert len(lines) == len(NAMES) - 1
    assert all(visible(line) == line for line in lines)


def test_on_a_terminal_bars_move_and_what_is_printed_meanwhile_is_escaped() -> None:
    script = (
        "from i2v_search.cli.console import guard_streams\nguard_streams()\n"
        "import warnings\nfrom i2v_search.cli.bars import progress\n"
        "from i2v_search.progress import Progress\n"
        "with progress() as report:\n    report(Progress('encoding', 1, 2))\n"
        f"    print({EVIL!r}, 'told')\n    warnings.warn({EVIL!r})\n"
    )
    shown = on_a_terminal("-c", script)
    assert "\x1b[?25l" in shown  # the cursor is hidden: rich controls the terminal
    assert "\\x1b[" not in shown
    assert "\x1b]52" not in shown
    assert "\u202e" not in shown
    assert " told\n" in shown


def test_bars_never_cut_a_number_on_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    shown = Console(stderr=True)
    shown.file, shown.width = screen, 80
    monkeypatch.setattr("i2v_search.cli.bars.err", shown)
    with progress() as report:
        for done in (0, 1_234_567, 1_761_000):
            report(Progress(f"comparing {EVIL}", done, 1_761_000, "loss 0.1234, mAP 0.345"))
    shown_last = screen.getvalue().split("comparing")[-1]
    assert "1761000/1761000" in shown_last
    assert "loss 0" in shown_last


def test_where_no_terminal_is_long_jobs_write_a_line_now_and_then_and_short_ones_none() -> None:
    now, lines = 0.0, list[str]()
    report = Lines(lines.append, lambda: now)
    for second in range(2 * int(LINE_SECONDS)):
        now = float(second)
        report(Progress("encoding", 10 * second, 6000, ""))
    assert lines == ["encoding: 300 of 6,000, 10/s, 10 min left"]
    now = 3 * LINE_SECONDS
    report(Progress("reading", 5, None, "x"))
    assert lines[1:] == ["reading: 5, x"]


def test_bytes_are_told_in_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    now = 0.0
    report = Lines(lines.append, lambda: now)
    for second in (0.0, LINE_SECONDS):
        now = second
        report(Progress("model.onnx", 10**8 + int(10**6 * second), 10**9, unit="bytes"))
    assert lines == ["model.onnx: 130.0 MB of 1,000.0 MB, 1.0 MB/s, 14 min left"]
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: True)
    console = Console(stderr=True)
    monkeypatch.setattr(console, "file", shown)
    monkeypatch.setattr("i2v_search.cli.bars.err", console)
    monkeypatch.setenv("COLUMNS", "120")
    with progress() as told:
        told(Progress("model.onnx", 10**8, 10**9, unit="bytes"))
        told(Progress("index", 5, 10))
    assert "100.0 MB/1,000.0 MB" in shown.getvalue()
    assert "5/10" in shown.getvalue()


def test_a_quick_command_says_nothing_on_the_error_stream(run: Run) -> None:
    assert run("index").err == b""


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="threads have no priorities of their own here"
)
@pytest.mark.parametrize("before", [0, 15])
def test_long_work_gives_way_with_all_its_threads(before: int) -> None:
    code = f"""
import os, threading
from i2v_search.cli.bars import progress
os.nice({before})
gate = threading.Event()
thread = threading.Thread(target=gate.wait)
thread.start()
with progress():
    print(*(os.getpriority(os.PRIO_PROCESS, int(task)) for task in os.listdir("/proc/self/task")))
gate.set()
"""
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=True
    ).stdout
    stands = min(os.getpriority(os.PRIO_PROCESS, 0) + before, 19)
    assert told.split() == [f"{max(stands, 10)}"] * 2
