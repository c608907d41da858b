"""`i2v-search serve` as it is started: in a terminal, by a service manager, with or without a browser."""

import contextlib
import io
import json
import logging
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image
from typer.testing import CliRunner

from i2v_search.cli import serve
from i2v_search.cli.access_log import log_requests
from i2v_search.cli.main import app
from i2v_search.cli.running_page import find_page
from i2v_search.collection.collection import Collection
from i2v_search.web.server_settings import ServerSettings

SERVE = [sys.executable, "-c", "from i2v_search.cli.main import main; main()", "serve", "--port", "0"]


@dataclass
class Terminal:
    """A program in a terminal of its own."""

    process: int
    screen: int
    shown: str = ""

    def until(self, words: str) -> str:
        """What is shown, once the words are."""
        while words not in self.shown:
            self.shown += os.read(self.screen, 4096).decode(errors="replace")
        return self.shown

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        with contextlib.suppress(OSError):
            while self.screen >= 0 and os.read(self.screen, 4096):
                pass
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


@contextlib.contextmanager
def terminal(command: list[str], **environment: str) -> Iterator[Terminal]:
    process, screen = pty.fork()
    if process == 0:  # pragma: no cover - the child
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup would have it ignore
        os.execvpe(command[0], command, {**os.environ, "TERM": "dumb", **environment})
    started = Terminal(process, screen)
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, 0)
        with contextlib.suppress(OSError):
            os.close(screen)


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
    path.chmod(0o755)
    return path


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("browser", ["w3m", "lynx", "links", "elinks", "www-browser"])
def test_a_browser_of_the_terminal_is_not_opened(
    sample_collection: Collection, tmp_path: Path, browser: str
) -> None:
    program(tmp_path / "bin", browser, f"open({str(tmp_path / 'opened')!r}, 'w').close()")
    command = [*SERVE, "--collection", str(sample_collection.directory)]
    quiet = {"PATH": str(tmp_path / "bin"), "DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": ""}
    with terminal(command, **quiet) as server:
        shown = server.until("Ctrl-C")
        address = next(word for word in shown.split() if word.startswith("http://"))
        assert httpx.get(f"{address}api/v1/health").status_code == 200
        os.kill(server.process, signal.SIGINT)
        assert server.ended() == 0
    assert not (tmp_path / "opened").exists()


def test_a_browser_that_waits_for_the_page_gets_it(sample_collection: Collection, tmp_path: Path) -> None:
    told = tmp_path / "told"
    code = (
        "import sys, urllib.request\n"
        f"with urllib.request.urlopen(sys.argv[1], timeout=240) as page, open({str(told)!r}, 'wb') as file:\n"
        "    file.write(page.read())\n"
    )
    browser = program(tmp_path / "bin", "browser", code)
    command = [*SERVE, "--collection", str(sample_collection.directory)]
    with terminal(command, BROWSER=f"{browser} %s") as server:
        server.until("Ctrl-C")
        until(lambda: told.exists() and b"</html>" in told.read_bytes())
        os.kill(server.process, signal.SIGINT)
        assert server.ended() == 0


ALONE = [sys.executable, "-c", "from i2v_search.cli.main import main; main()"]


def test_without_a_command_a_terminal_gets_the_page_which_asks_for_a_folder(tmp_path: Path) -> None:
    told, home = tmp_path / "told", {"XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    code = f"import sys\nwith open({str(told)!r}, 'w') as file:\n    file.write(sys.argv[1])\n"
    browser = program(tmp_path / "bin", "browser", code)
    script = f"import os\nos.chdir({str(tmp_path)!r})\n{ALONE[2]}"
    with terminal([ALONE[0], "-c", script], BROWSER=f"{browser} %s", **home) as server:
        assert "Choose the folder of your pictures" in server.until("Ctrl-C")
        until(lambda: told.exists() and "#launch=" in told.read_text())
        address, _, launch = told.read_text().partition("#launch=")
        state = httpx.get(f"{address}api/v1/build").json()
        assert (state["collection"], state["status"]) == (False, "idle")
        note = tmp_path / "i2v-search" / "page"
        assert (note.read_text(), note.stat().st_mode & 0o777) == (told.read_text(), 0o600)
        told.unlink()
        with terminal(ALONE, BROWSER=f"{browser} %s", **home) as second:  # which serves nothing of its own
            assert second.ended() == 0
        assert told.read_text() == f"{address}#launch={launch}"
        httpx.post(f"{address}api/v1/quit", json={}, headers={"X-Launch-Token": launch}).raise_for_status()
        assert server.ended() == 0
    assert not (tmp_path / "index").exists()
    assert not note.exists()


@pytest.mark.parametrize(
    "note",
    ["", "http://127.0.0.1:1/#launch=0123456789abcdef", "file:///etc/passwd", "http://a.example/#launch=x"],
)
def test_a_page_that_nobody_serves_any_more_is_not_opened(tmp_path: Path, note: str) -> None:
    (tmp_path / "page").write_text(note)
    assert find_page(tmp_path / "page") is None
    assert find_page(tmp_path / "gone") is None


def test_without_a_command_and_a_browser_or_a_terminal_there_is_help(tmp_path: Path) -> None:
    quiet = {"PATH": str(tmp_path), "DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": ""}
    with terminal(ALONE, **quiet) as shell:
        assert "Usage" in shell.until("Commands")
        assert shell.ended() == 2
    piped = subprocess.run(
        ALONE, capture_output=True, text=True, check=False, env={**os.environ, "BROWSER": "true"}
    )
    assert (piped.returncode, piped.stderr) == (2, "")
    assert "Usage" in piped.stdout


def test_a_desktop_entry_starts_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("i2v_search.cli.desktop_entry.user_data_path", lambda: tmp_path)
    done = CliRunner().invoke(app, ["start", "--desktop-entry"])
    entry = tmp_path / "applications" / "i2v-search.desktop"
    assert (done.exit_code, done.stdout) == (0, f"wrote {entry}\n")
    fields = dict(line.split("=", 1) for line in entry.read_text().splitlines()[1:])
    assert fields["Exec"] == f'"{sys.executable}" -m i2v_search start'
    assert fields["Terminal"] == "false"
    assert Path(fields["Icon"]).read_bytes().startswith(b"<svg")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert CliRunner().invoke(app, ["start", "--desktop-entry"]).exit_code == 2


def lines(log: Path) -> list[str]:
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    return [json.loads(line)["request_id"] for line in text.splitlines()]


def test_the_access_log_goes_on_in_a_new_file_after_sighup(
    sample_collection: Collection, tmp_path: Path
) -> None:
    log, old = tmp_path / "access.log", tmp_path / "access.log.1"
    command = [
        *SERVE,
        "--no-open",
        "--collection",
        str(sample_collection.directory),
        "--access-log",
        str(log),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        server.stdout.readline()
        httpx.get(f"{address}api/v1/health", headers={"X-Request-ID": "first"})
        until(lambda: lines(log) == ["first"])
        log.rename(old)
        server.send_signal(signal.SIGHUP)
        until(log.exists)
        httpx.get(f"{address}api/v1/health", headers={"X-Request-ID": "second"})
        until(lambda: lines(log) == ["second"])
        assert lines(old) == ["first"]
        server.send_signal(signal.SIGTERM)
        server.wait(120)


def test_a_terminal_that_closes_ends_the_server(sample_collection: Collection, tmp_path: Path) -> None:
    command = [*SERVE, "--no-open", "--collection", str(sample_collection.directory)]
    with terminal([*command, "--access-log", str(tmp_path / "access.log")]) as server:
        server.until("Ctrl-C")
        os.close(server.screen)
        server.screen = -1
        server.ended()


def test_limits_of_uploads_are_options(sample_collection: Collection) -> None:
    command = [*SERVE, "--no-open", "--collection", str(sample_collection.directory)]
    command += ["--max-upload", "1MB", "--max-upload-pixels", "1000", "--rate", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        with httpx.Client(base_url=address, timeout=240) as client:
            limits = client.get("/api/v1/collection").json()["upload_limits"]
            assert limits == {"bytes": 10**6, "pixels": 1000}
            file = io.BytesIO()
            Image.new("RGB", (40, 26)).save(file, "PNG")
            image = client.post(
                "/api/v1/uploads", content=file.getvalue(), headers={"Content-Type": "image/png"}
            )
            assert (image.status_code, image.json()["error"]["code"]) == (422, "bad_image")
        server.send_signal(signal.SIGTERM)
        server.wait(120)


def test_connections_are_an_option(sample_collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[ServerSettings] = []
    monkeypatch.setattr(serve, "run_server", lambda _, settings, *rest, **options: told.append(settings))
    monkeypatch.setattr(serve, "share_cores", lambda _: None)
    monkeypatch.setattr(serve, "log_requests", lambda _: contextlib.nullcontext())
    command = ["serve", "--collection", str(sample_collection.directory)]
    for options in ([], ["--connections", "7"]):
        assert CliRunner().invoke(app, [*command, *options]).exit_code == 0
    assert [settings.connections for settings in told] == [256, 7]


def test_a_log_that_cannot_be_written_is_an_error(sample_collection: Collection, tmp_path: Path) -> None:
    command = [*SERVE, "--no-open", "--collection", str(sample_collection.directory)]
    command += ["--access-log", str(tmp_path / "none" / "access.log")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1
    assert "access log" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_has_ended_logs_no_requests_of_the_next(tmp_path: Path) -> None:
    logger = logging.getLogger("i2v_search.web.access")
    before = list(logger.handlers)
    with log_requests(tmp_path / "access.log"):
        logger.info("one")
    logger.info("two")
    assert (tmp_path / "access.log").read_text() == "one\n"
    assert logger.handlers == before
