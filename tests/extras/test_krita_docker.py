"""The docker for Krita, without Krita: what it asks a real server, and when."""

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from grids import GridEncoder, draw_folder
from i2v_search_docker.asking import Answer, Asking
from i2v_search_docker.pacing import Pacing
from i2v_search_docker.server import Server, ServerProblem
from visiting import encoded
from web_server import Running, running

from i2v_search.collection.collection import Collection
from i2v_search.images.decoding import load_image
from i2v_search.web.server_settings import ServerSettings

APP = "connected-by-this-test"


@pytest.fixture
def server(tmp_path: Path, loaded: list[GridEncoder]) -> Iterator[Running]:
    art = draw_folder(tmp_path / "art", 5)
    collection = Collection.build(tmp_path / "index", art, encoder="grid")
    settings = ServerSettings(token="a-token-of-the-page", app_token=APP)
    with running(collection, tmp_path / "cache", settings) as started:
        yield started


def test_a_canvas_finds_pictures_and_one_is_brought_in(server: Running, tmp_path: Path) -> None:
    krita = Server.read(f" {server.url}/#token={APP}\n")
    canvas = load_image(tmp_path / "art" / "0002.png")
    canvas.putpixel((0, 0), (9, 9, 9))
    found = krita.find(encoded(canvas), top=3)
    assert found[0].name == "0002.png"
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert load_image(found[0].thumbnail).size == (12, 8)
    assert load_image(krita.picture(found[0].id)).size == (12, 8)
    (tmp_path / "art" / "0004.png").unlink()
    with pytest.raises(ServerProblem, match="refused it: the image's file"):
        krita.picture(4)
    with pytest.raises(ServerProblem, match="refused it: not an image"):
        krita.find(b"no picture")
    with pytest.raises(ServerProblem, match="refused it: send the header"):
        Server(server.url, "another").find(encoded(canvas))


def test_it_speaks_to_this_computer_alone() -> None:
    for text in (
        "",
        "http://127.0.0.1:8800",
        "http://example.org/#token=x",
        "https://127.0.0.1.example/#token=x",
    ):
        with pytest.raises(ServerProblem, match="Connect a browser or Krita"):
            Server.read(text)
    with pytest.raises(ServerProblem, match="Is it running"):
        Server("http://127.0.0.1:9", "x").find(b"")


def test_it_searches_after_a_stroke_and_during_long_painting() -> None:
    pacing = Pacing(quiet=1.0, longest=4.0)
    seen = [
        ("a", 0.0),
        ("a", 0.5),
        ("a", 1.0),
        ("a", 9.0),
        ("b", 10.0),
        ("c", 10.9),
        ("d", 11.8),
        ("e", 12.7),
        ("f", 14.0),
    ]
    assert [pacing.is_due(*each) for each in seen] == [
        False,
        False,
        True,
        False,
        False,
        False,
        False,
        False,
        True,
    ]
    assert not pacing.is_due("f", 20.0)
    pacing.forget()
    assert [pacing.is_due("f", now) for now in (21.0, 22.0)] == [False, True]
    # Undone again: what was sent last is what is there.
    assert [pacing.is_due(*each) for each in (("g", 23.0), ("f", 23.5), ("f", 30.0))] == [False, False, False]


def test_of_the_questions_that_wait_the_last_is_asked() -> None:
    answers: queue.Queue[Answer] = queue.Queue()
    begun, may_end = threading.Event(), threading.Event()
    asking = Asking(answers.put)

    def slow() -> str:
        begun.set()
        assert may_end.wait(120)
        return "slow"

    def refused() -> str:
        raise ServerProblem("no")

    asking.ask(slow)
    assert begun.wait(120)
    asking.ask(lambda: "never")
    asking.ask(refused)
    may_end.set()
    assert [answers.get(timeout=120) for _ in range(2)] == [Answer("slow"), Answer(problem="no")]
    asking.close()
    asking._thread.join(120)
    assert not asking._thread.is_alive()
