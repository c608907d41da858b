"""Every error the library raises on purpose.

The tree::

    I2VSearchError
    ├── ImageError               an image cannot be read (path, reason)
    │   └── ImageTypeError       what was given is no image; a TypeError too
    ├── SourceError              a folder, glob or archive of images cannot be read
    ├── RecipeError              a recipe file is not valid
    ├── EncoderError             an encoder is unknown or its weights cannot be used
    │   ├── DownloadError        a file of a model cannot be downloaded, or is not what it should be
    │   ├── EncoderMismatchError the collection was made by another encoder
    │   ├── NoEncoderError       the collection was made from vectors, and encodes no images
    │   ├── MissingLayerError    the weights lack the layer that is needed; a KeyError too
    │   ├── TagListError         a tag list is missing or too short or long; a TagError and AssertionError too
    │   └── WeightsError         a weights file is damaged, refused or of a foreign network
    ├── TagError                 a tag list, a threshold file or a rule for tags cannot be used
    │   ├── TagRuleError         a rule for tags is unknown or lacks its thresholds; a TypeError too
    │   └── UnknownTagError      a tag list lacks a tag; a KeyError too
    ├── TrainingError            a network cannot be trained as asked, or a run cannot be resumed
    ├── QueryError               a query asks for something that does not exist
    │   └── NoSuchImageError     a collection holds no such image; a KeyError too
    ├── MorphError               no path of images exists
    ├── ServerError              a server cannot start as asked
    ├── SearchServerError        a Milvus server cannot be reached, or refuses what it is asked
    ├── ClusterError             machines that share a job do not answer, or do not do their part
    └── CollectionError          a collection cannot be opened, read or written
        ├── AnnotationsError         its boards, notes and tags cannot be read or written
        ├── CollectionNotFoundError
        ├── CollectionLockedError    another process is writing
        ├── CollectionClosedError    it was closed
        ├── CollectionDamagedError   a file is missing, corrupt or not what it claims to be
        └── IndexStaleError          the index does not describe the feature store; rebuild it

A message says what happened, the value seen against the value expected, and what to do about it.
"""


class I2VSearchError(Exception):
    """Base class of all errors of i2v-search.

    Example:
        >>> from i2v_search import Collection
        >>> try:
        ...     Collection.open("nowhere")
        ... except I2VSearchError as error:
        ...     print(error)
        no collection at nowhere; build one with: i2v-search build FOLDER --collection nowhere
    """


class ImageError(I2VSearchError):
    """An image cannot be read; `path` names it and `reason` says why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type["ImageError"], tuple[str, str]]:
        """Survive the trip between processes: `Exception` alone would lose the second argument."""
        return type(self), (self.path, self.reason)


class ImageTypeError(ImageError, TypeError):
    """What was given as an image is none: another type, or an array of another shape."""


class SourceError(I2VSearchError):
    """A folder, glob or archive of images does not exist or cannot be listed."""


class RecipeError(I2VSearchError):
    """A recipe file is not valid."""


class EncoderError(I2VSearchError):
    """An encoder is unknown, or its weights are missing or unusable."""


class DownloadError(EncoderError):
    """A file of a model cannot be downloaded, or is another file than the catalogue says."""


class EncoderMismatchError(EncoderError):
    """A collection was made by an encoder other than the one at hand."""


class NoEncoderError(EncoderError):
    """A collection was made from vectors: nothing encodes images for it."""


class TagError(I2VSearchError):
    """A tag list, a threshold file or a rule for choosing tags cannot be used."""


class TagRuleError(TagError, TypeError):
    """A rule for choosing tags is unknown, or needs thresholds that were not given."""


class TagListError(EncoderError, TagError, AssertionError):
    """A tag model has no list of tags, or one with another number of them."""


class TrainingError(I2VSearchError):
    """A network cannot be trained with these data or settings, or an unfinished run cannot be resumed."""


class WeightsError(EncoderError):
    """A file of weights is damaged, refused, or holds another network than the one requested."""


class QueryError(I2VSearchError):
    """A query names an image, tag or option that does not exist."""


class _FailedLookupError(KeyError):
    def __str__(self) -> str:
        """The message as it is: `KeyError` alone would put it in quotation marks."""
        return Exception.__str__(self)


class NoSuchImageError(QueryError, _FailedLookupError):
    """A collection holds no image with that id or path; ``collection[image]`` is a look-up like any other."""


class MissingLayerError(EncoderError, _FailedLookupError):
    """Weights lack a layer, such as ``encode1`` in those of the tag model."""


class UnknownTagError(TagError, _FailedLookupError):
    """A list of tags lacks a tag."""


class MorphError(I2VSearchError):
    """No path of images connects the two ends as asked."""


class ServerError(I2VSearchError):
    """A server cannot start as asked: the port is taken, or others could reach it without a token."""


class ClusterError(I2VSearchError):
    """Machines that share a job cannot be reached, lack something they need, or gave up."""


class SearchServerError(I2VSearchError):
    """A Milvus server cannot be reached, refuses what it is asked, or its client is not installed."""


class CollectionError(I2VSearchError):
    """A collection cannot be opened, read or written."""


class AnnotationsError(CollectionError):
    """The file of boards, notes and own tags is damaged, of a later version, or cannot be written."""


class CollectionNotFoundError(CollectionError):
    """There is no collection at that path."""


class CollectionLockedError(CollectionError):
    """Another process is writing to the collection."""


class CollectionClosedError(CollectionError):
    """The collection was closed; open it again."""


class CollectionDamagedError(CollectionError):
    """A file of the collection is missing, corrupt or not what it claims to be."""


class IndexStaleError(CollectionError):
    """The index is missing or older than the feature store."""
