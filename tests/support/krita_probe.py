"""A plug-in for Krita that uses the docker as a person does and writes down what came of it.

`tests/extras/test_krita_itself.py` puts it into Krita, beside the docker. Whatever is waited for comes or the
test ends Krita.
"""

import json
import os
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from krita import Extension, Krita
from PyQt5.QtCore import QTimer
from PyQt5.QtGui import QImage

TOLD: dict[str, Any] = {}


def story() -> Iterator[Callable[[], Any]]:
    """What is done; between, what has to be true before it goes on."""
    krita = Krita.instance()
    yield lambda: krita.activeWindow() is not None and krita.activeWindow().qwindow().isVisible()
    document = krita.createDocument(320, 240, "canvas", "RGBA", "U8", "", 120.0)
    krita.activeWindow().addView(document)
    docker = next(one for one in krita.dockers() if one.objectName() == "i2v_search")
    docker.show()
    docker.raise_()
    docker._address.setText(os.environ["PROBE_ADDRESS"])
    docker._address.editingFinished.emit()
    picture = QImage(os.environ["PROBE_PICTURE"]).convertToFormat(QImage.Format_ARGB32)
    layer = document.createNode("painted", "paintlayer")
    document.rootNode().addChildNode(layer, None)
    content = picture.bits().asstring(picture.sizeInBytes())
    layer.setPixelData(content, 20, 20, picture.width(), picture.height())
    document.refreshProjection()
    pictures = docker._list
    yield lambda: pictures.count()
    TOLD["found"] = [pictures.item(row).toolTip() for row in range(pictures.count())]
    TOLD["drawn"] = not pictures.item(0).icon().isNull()

    docker._on.setChecked(False)  # what is pasted changes the canvas
    pictures.setCurrentRow(0)
    before = len(document.topLevelNodes())
    docker._bring("edit_paste")
    yield lambda: len(document.topLevelNodes()) > before
    pictures.itemActivated.emit(pictures.item(0))
    yield lambda: len(document.topLevelNodes()) > before + 1
    TOLD["layers"] = sorted(node.type() for node in document.topLevelNodes())
    TOLD["problem"] = docker._status.text()
    TOLD["asks"] = krita.readSetting("", "pasteBehaviour", "2")


class Probe(Extension):
    """Goes on with the story ten times a second."""

    def setup(self) -> None:
        """Nothing is needed before there is a window."""

    def createActions(self, window: Any) -> None:  # noqa: N802 - Krita's name
        """Begin."""
        self._story = story()
        self._waits = next(self._story)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._go_on)
        self._timer.start(100)

    def _go_on(self) -> None:
        try:
            if not self._waits():
                return
            self._waits = next(self._story, lambda: False)
            if "asks" not in TOLD:
                return
        except Exception:  # noqa: BLE001 - whatever it is, the test tells it
            TOLD["problem"] = traceback.format_exc()
        with open(os.environ["PROBE_TOLD"], "w") as told:  # noqa: PTH123
            json.dump(TOLD, told)
        os._exit(0)  # Debian's Krita crashes when a script ends it, with or without the docker


Krita.instance().addExtension(Probe(Krita.instance()))
