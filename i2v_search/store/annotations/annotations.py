"""`Annotations`: all that people keep of a collection."""

from __future__ import annotations

from pathlib import Path

from i2v_search.errors import AnnotationsError
from i2v_search.store.annotations.boards import Boards
from i2v_search.store.annotations.database import FILE_NAME, AnnotationFile, Stamp
from i2v_search.store.annotations.layouts import Layouts
from i2v_search.store.annotations.pictures import PictureAnnotations
from i2v_search.store.annotations.searches import SavedSearches
from i2v_search.store.checksums import Damage


class Annotations:
    """What people keep of a collection: ``collection.annotations``.

    It is one SQLite file, ``annotations.sqlite`` in the directory of the collection, which no build touches.
    Each call opens it for a moment, and a change is on disk when the call returns. Several processes may use
    it at once: changes merge, because each says what it changes alone.

    Args:
        directory: of the collection; the file is made by the first change.

    Attributes:
        file: where it is kept.
        boards: named, ordered sets of pictures.
        layouts: where the pictures of a board lie on its canvas.
        pictures: stars, notes, own tags, and pairs that are not copies.
        searches: saved searches.

    Raises:
        AnnotationsError: by every call: the file is damaged, of another program, or written by a later
            version. It is left as it is.
        CollectionLockedError: by a change: another process has been writing for 10 seconds.

    Example:
        >>> import tempfile
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> kept = Annotations(Path(tempfile.mkdtemp()))
        >>> mood = kept.boards.make("Mood")
        >>> kept.boards.put(mood.id, [art["fruit/lemon.webp"], art["fruit/apple.webp"]])
        2
        >>> [picture.path for picture in kept.boards.pictures(mood.id)]
        ['fruit/lemon.webp', 'fruit/apple.webp']
        >>> kept.pictures.tag([art["fruit/lemon.webp"]], ["Sour"])
        >>> kept.pictures.of(art["fruit/lemon.webp"].sha256).tags
        ('sour',)
    """

    def __init__(self, directory: Path) -> None:
        self.file = AnnotationFile(directory / FILE_NAME)
        self.boards = Boards(self.file)
        self.layouts = Layouts(self.file)
        self.pictures = PictureAnnotations(self.file)
        self.searches = SavedSearches(self.file)

    @property
    def path(self) -> Path:
        """The file."""
        return self.file.path

    def require_sound(self) -> None:
        """Look through the whole file.

        Raises:
            AnnotationsError: it cannot be used; the message says what to do.
        """
        self.file.require_sound()

    @property
    def stamp(self) -> Stamp:
        """The state of the file: another one has been written since if it differs."""
        return self.file.stamp


def annotation_damages(directory: Path) -> list[Damage]:
    """What is wrong with the file of a collection, with what to do about it; nothing where there is none."""
    try:
        Annotations(directory).require_sound()
    except AnnotationsError as error:
        return [Damage(FILE_NAME, str(error))]
    return []
