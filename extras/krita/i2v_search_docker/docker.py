"""The docker itself: the only module that knows Krita and Qt."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from html import escape
from queue import SimpleQueue
from typing import Any, Callable, Iterator

from krita import DockWidget, Krita
from PyQt5.QtCore import QBuffer, QByteArray, QIODevice, QSize, Qt, QTimer
from PyQt5.QtGui import QGuiApplication, QIcon, QImage, QImageReader, QPixmap
from PyQt5.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from i2v_search_docker.asking import Answer, Asking
from i2v_search_docker.pacing import Pacing
from i2v_search_docker.server import Server, ServerProblem

_GROUP = "i2v_search"
#: Milliseconds between two looks at the canvas.
_LOOK = 600
#: Milliseconds between two looks whether an answer came.
_TAKE = 100
#: Pixels of the longer side of what is sent, and of what is compared to see whether the canvas changed.
_SENT, _COMPARED = 640, 48
_THUMBNAIL = 112
#: What Krita calls the two ways of pasting.
REFERENCE, LAYER = "paste_as_reference", "edit_paste"
#: Krita's setting of how the colours of what is pasted are meant.
_PASTE_COLOURS, _SRGB, _ASK = "pasteBehaviour", "0", "2"


class SearchDocker(DockWidget):
    """Pictures like the canvas, or like the selection; a double click brings one in as a reference image."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("i2v-search")
        self._pacing = Pacing()
        # Answers wait until this thread takes them: Qt's widgets are for no other.
        self._answers: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._searching = Asking(lambda answer: self._answers.put(partial(self._show, answer)))
        self._fetching = Asking(lambda answer: self._answers.put(partial(self._paste, answer, self._way)))
        self._way = REFERENCE
        self._build()
        for every, act in ((_LOOK, self._look), (_TAKE, self._take)):
            timer = QTimer(self)
            timer.timeout.connect(act)
            timer.start(every)
        if b"webp" not in [bytes(kind) for kind in QImageReader.supportedImageFormats()]:
            self._say("This Krita reads no WebP, which the pictures come as; install Qt's image formats.")

    def canvasChanged(self, canvas: object) -> None:  # noqa: N802 - Krita's name
        """Look again: another document is shown."""
        self._pacing.forget()

    def _build(self) -> None:
        self._address = QLineEdit(Krita.instance().readSetting(_GROUP, "address", ""))
        self._address.setEchoMode(QLineEdit.PasswordEchoOnEdit)
        self._address.setPlaceholderText("Paste the address from i2v-search")
        self._address.setAccessibleName("Address of i2v-search")
        self._address.editingFinished.connect(self._keep_address)
        self._on = QCheckBox("Search while painting")
        self._on.setChecked(Krita.instance().readSetting(_GROUP, "on", "true") == "true")
        self._on.toggled.connect(self._switch)
        now = QPushButton("Search now")
        now.clicked.connect(self._search)
        self._list = QListWidget()
        self._list.setViewMode(QListView.IconMode)
        self._list.setIconSize(QSize(_THUMBNAIL, _THUMBNAIL))
        self._list.setResizeMode(QListView.Adjust)
        self._list.setMovement(QListView.Static)
        self._list.setWordWrap(True)
        self._list.setAccessibleName("Pictures like the canvas")
        self._list.itemActivated.connect(lambda _: self._bring(REFERENCE))
        reference, layer = QPushButton("Reference image"), QPushButton("New layer")
        reference.clicked.connect(partial(self._bring, REFERENCE))
        layer.clicked.connect(partial(self._bring, LAYER))
        self._status = QLabel()
        self._status.setWordWrap(True)
        self._status.setTextFormat(Qt.PlainText)  # names of files are of strangers
        whole, top, ways = QVBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for row, widgets in ((top, (self._on, now)), (ways, (reference, layer))):
            for widget in widgets:
                row.addWidget(widget)
        whole.addWidget(self._address)
        whole.addLayout(top)
        whole.addWidget(self._list, 1)
        whole.addLayout(ways)
        whole.addWidget(self._status)
        body = QWidget(self)
        body.setLayout(whole)
        self.setWidget(body)

    def _say(self, text: str) -> None:
        self._status.setText(text)

    def _keep_address(self) -> None:
        Krita.instance().writeSetting(_GROUP, "address", self._address.text())
        self._pacing.forget()

    def _switch(self, on: bool) -> None:
        Krita.instance().writeSetting(_GROUP, "on", "true" if on else "false")
        self._pacing.forget()

    def _take(self) -> None:
        """Show what came from the server."""
        while not self._answers.empty():
            self._answers.get()()

    def _look(self) -> None:
        """Search where the canvas has changed and the hand rests."""
        document = Krita.instance().activeDocument()
        if document is None or not self._on.isChecked() or not self.isVisible() or not self._address.text():
            return
        small = document.thumbnail(_COMPARED, _COMPARED)
        content = small.bits().asstring(small.sizeInBytes())
        if self._pacing.is_due((content, _selected(document)), time.monotonic()):
            self._search()

    def _search(self) -> None:
        document = Krita.instance().activeDocument()
        if document is None:
            self._say("Open a picture first.")
            return
        server = self._server()
        if server is not None:
            self._searching.ask(partial(server.find, _png(_picture(document))))

    def _server(self) -> Server | None:
        try:
            return Server.read(self._address.text())
        except ServerProblem as problem:
            self._say(str(problem))
            return None

    def _show(self, answer: Answer) -> None:
        self._say(answer.problem)
        if answer.problem:
            return
        self._list.clear()
        for found in answer.found:
            item = QListWidgetItem(QIcon(QPixmap.fromImage(QImage.fromData(found.thumbnail))), "")
            item.setToolTip(
                f"<p>{escape(found.name)}<br>{found.score:.2f}</p>"
            )  # never as markup of the name
            item.setData(Qt.UserRole, found.id)
            item.setData(Qt.AccessibleTextRole, found.name)
            self._list.addItem(item)

    def _bring(self, way: str, *_: object) -> None:
        """Get the chosen picture, to be pasted when it is there."""
        item, server = self._list.currentItem(), self._server()
        if item is None:
            self._say("Choose a picture first.")
        if item is None or server is None:
            return
        self._way = way
        self._fetching.ask(partial(server.picture, item.data(Qt.UserRole)))

    def _paste(self, answer: Answer, way: str) -> None:
        picture = QImage.fromData(answer.found or b"")
        if answer.problem or picture.isNull():
            self._say(answer.problem or "This picture cannot be read here.")
            return
        QGuiApplication.clipboard().setImage(picture)
        with _pasting_srgb():
            Krita.instance().action(way).trigger()


@contextmanager
def _pasting_srgb() -> Iterator[None]:
    """Keep Krita from asking how colours are meant: the pictures are sRGB, whatever it does with others."""
    krita = Krita.instance()
    before = krita.readSetting("", _PASTE_COLOURS, _ASK)
    krita.writeSetting("", _PASTE_COLOURS, _SRGB)
    try:
        yield
    finally:
        krita.writeSetting("", _PASTE_COLOURS, before)


def _selected(document: Any) -> tuple[int, int, int, int] | None:
    """Left, top, width and height of the selection, if there is one."""
    selection = document.selection()
    if selection is None or not selection.width() or not selection.height():
        return None
    return (selection.x(), selection.y(), selection.width(), selection.height())


def _picture(document: Any) -> QImage:
    """The selection, or the whole canvas, as it looks, at most `_SENT` pixels a side."""
    box = _selected(document)
    if box is not None:
        whole = document.projection(*box)
        if max(box[2:]) <= _SENT:
            return whole
        return whole.scaled(_SENT, _SENT, Qt.KeepAspectRatio, Qt.SmoothTransformation)
    return document.thumbnail(_SENT, _SENT)


def _png(picture: QImage) -> bytes:
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.WriteOnly)
    picture.save(buffer, "PNG")
    return bytes(content)
