"""Putting the pictures of a board in order: by colour, or so that the sequence is most gradual."""

from __future__ import annotations

from i2v_search.choices import BoardOrder
from i2v_search.collection.answers import Answers
from i2v_search.collection.board_files import BoardContents
from i2v_search.store.annotations.boards import Board


def order_board(collection: Answers, board: Board, by: BoardOrder) -> None:
    """Put the pictures of a board in order; those that the collection does not hold come after them.

    Args:
        collection: the collection.
        board: the board.
        by: ``"colour"`` as searches order by it, ``"gradual"`` as `Collection.gradual_order` does.

    Raises:
        QueryError: the colours of the collection's pictures are not known.
        IndexStaleError: the index is missing or older than the feature store, for ``"gradual"``.
    """
    contents = BoardContents.of(collection, board)
    images = list(contents.names)
    if not images:
        return
    if by == "gradual":
        order = collection.gradual_order(images)
    else:
        found = collection.search(board=board.name, order="colour", top=len(images))
        order = [hit.id for hit in found.hits]
    missing = contents.missing
    before = missing[0].sha256 if missing else None
    collection.annotations.boards.put(board.id, [collection[image] for image in order], before)
