"""A short form of `benchmarks.serve`: the server as users start it, under load until enough is answered."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from benchmarks.serve import Load, be_bad, image_ids, put_load, served
from i2v_search.collection.collection import Collection

#: For a machine that is busy; most need three.
SECONDS = 60.0


def test_below_the_limit_there_is_no_error_even_beside_bad_neighbours(sample_collection: Collection) -> None:
    with served(sample_collection.directory) as server:
        images = image_ids(server.url)

        async def both() -> Load:
            asked = asyncio.create_task(
                put_load(server.url, images, clients=8, seconds=SECONDS, rate=30, enough=answered)
            )
            await be_bad(server.url, seconds=SECONDS, enough=asked.done)
            return await asked

        def answered(load: Load) -> bool:
            return sum(load.statuses.values()) > 60 and all(load.milliseconds.values())

        load = asyncio.run(both())
        assert load.faults == []
        assert set(load.statuses) == {200, 201}
        assert answered(load)


def test_above_the_limits_answers_are_good_or_say_when_to_come_back(sample_collection: Collection) -> None:
    def met(load: Load) -> bool:
        return load.statuses[429] > 20 and load.statuses[200] > 20

    with served(sample_collection.directory, "--rate", "2") as server:
        images = image_ids(server.url)
        load = asyncio.run(put_load(server.url, images, clients=16, seconds=SECONDS, rate=None, enough=met))
        assert load.faults == []
        assert load.statuses[429] > 0
        assert set(load.statuses) <= {200, 201, 429, 503}
        assert httpx.get(f"{server.url}/api/v1/health").status_code == 200


def test_what_the_queues_do_not_hold_is_turned_away_cleanly(sample_collection: Collection) -> None:
    """That they do turn away is tested where nothing depends on time: `test_web_safety`."""

    def answered(load: Load) -> bool:
        return load.statuses[200] > 100

    with served(sample_collection.directory, "--rate", "0") as server:
        images = image_ids(server.url)
        load = asyncio.run(
            put_load(server.url, images, clients=100, seconds=SECONDS, rate=None, enough=answered)
        )
        assert load.faults == []
        assert set(load.statuses) <= {200, 201, 503}
        assert answered(load)


def test_the_command_says_where_it_is_and_stops_when_asked(sample_collection: Collection) -> None:
    command = [sys.executable, "-c", "from i2v_search.cli.main import main; main()", "serve", "--no-open"]
    command += ["--collection", str(sample_collection.directory), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [process.stdout.readline(), process.stdout.readline()]
    assert f"{len(sample_collection)} images" in said[0]
    address = said[0].split()[-1]
    assert httpx.get(f"{address}api/v1/health").status_code == 200
    assert "Ctrl-C" in said[1]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0
    assert out.strip() == "Stopped."
    assert '"route": "/api/v1/health"' in err  # no terminal: requests are logged
    assert "Traceback" not in err


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])
def test_the_command_refuses_to_be_reached_by_others_without_a_token(
    sample_collection: Collection, host: str
) -> None:
    command = [sys.executable, "-c", "from i2v_search.cli.main import main; main()", "serve", "--no-open"]
    command += ["--collection", str(sample_collection.directory), "--host", host]
    environment = {name: value for name, value in os.environ.items() if name != "I2V_SEARCH_TOKEN"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)
    assert done.returncode == 1
    assert "--token" in done.stderr


def test_a_server_needs_a_collection(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from i2v_search.cli.main import main; main()", "serve", "--no-open"]
    done = subprocess.run(
        [*command, "--collection", str(tmp_path / "none")], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_other_commands_load_no_web_framework() -> None:
    code = "import sys, i2v_search.cli.main; sys.exit('fastapi' in sys.modules or 'uvicorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=240).returncode == 0
