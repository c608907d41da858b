"""A connection to Ray: the one place that starts or joins it."""

from __future__ import annotations

import logging
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from i2v_search.errors import ClusterError

#: What the object store of a local Ray takes; images and vectors do not go through it.
_OBJECT_STORE_BYTES = 100 * 2**20
#: Some seven of a hundred connections through ``ray://`` die on the cluster's side while they open, since its
#: gate forks while gRPC runs (https://github.com/ray-project/ray/issues/63202). The next one may do.
_ATTEMPTS = 4
#: Bytes of the folder in which Ray makes its own: its sockets lie 70 bytes deeper, where macOS takes 103.
_LONGEST_FOLDER = 32
#: Where a local Ray keeps its files if the folder of temporary files has too long a name.
_SHORT_FOLDER = "/tmp/ray"  # noqa: S108 - as Ray does


@contextmanager
def ray_session(cluster: str, cores: int) -> Iterator[ModuleType]:
    """Join a Ray cluster, or start one on this machine, for as long as the context lasts.

    A process that is connected to Ray already keeps its connection. A token in ``RAY_AUTH_TOKEN`` or
    ``RAY_AUTH_TOKEN_PATH`` is used; a local Ray, which other users of the machine could reach, is given one
    that nobody knows. Nothing that runs beyond the context is ever stopped.

    Args:
        cluster: ``"local"``, ``"auto"``, ``"ray://HOST:PORT"`` or ``"HOST:PORT"``.
        cores: CPUs of a local Ray.

    Yields:
        The module ``ray``.

    Raises:
        ClusterError: Ray is not installed, cannot be reached, or refuses the token.
    """
    _prepare_environment(local=cluster == "local")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ClusterError(
            f"--cluster needs Ray, which is not installed ({error}); run: pip install 'i2v-search[ray]'"
        ) from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        yield ray
        return
    try:
        if cluster == "local":
            ray.init(
                address="local",
                num_cpus=cores,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=_folder(),
            )
        else:
            _join(ray, cluster)
    except Exception as error:  # Ray raises errors of many kinds, some of them plain
        ray.shutdown()
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        if cluster == "local":
            raise ClusterError(
                f"Ray does not start on this machine: {reason}; RAY_TMPDIR sets the folder of its files, "
                f"of at most {_LONGEST_FOLDER} characters"
            ) from error
        raise ClusterError(
            f"cannot reach the Ray cluster {cluster!r}: {reason}; check that it is running with the same "
            f"versions of Python and Ray ({ray.__version__}), and that RAY_AUTH_TOKEN is its token"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _folder() -> str | None:
    """Folder of a local Ray; None leaves it to Ray, as does ``RAY_TMPDIR``."""
    too_long = len(os.fsencode(tempfile.gettempdir())) > _LONGEST_FOLDER
    return _SHORT_FOLDER if too_long and os.name == "posix" and "RAY_TMPDIR" not in os.environ else None


def _join(ray: ModuleType, cluster: str) -> None:
    """Connect to a cluster, again where its gate died while opening."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            ray.init(address=cluster, log_to_driver=False, logging_level=logging.ERROR)
            return
        except ConnectionAbortedError:
            if attempt == _ATTEMPTS:
                raise
            ray.shutdown()


def _prepare_environment(*, local: bool) -> None:
    """Set what Ray reads from the environment when it is imported; what is set already stays."""
    if "ray" in sys.modules:
        return
    # Of every actor Ray logs as an error that its arguments are where they belong, in the object store.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if local:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if not given and "RAY_AUTH_MODE" not in os.environ:
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
            given = True
    if given:
        os.environ.setdefault("RAY_AUTH_MODE", "token")
