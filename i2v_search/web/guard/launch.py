"""The launch token: proof that a request comes from the page that this start of the server opened."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Header

from i2v_search.web.guard.failures import Failure
from i2v_search.web.server_settings import ServerSettings

LaunchToken = Annotated[
    str | None,
    Header(alias="X-Launch-Token", max_length=200, description="from the address that the server printed"),
]


def check_launch(settings: ServerSettings, given: str | None) -> None:
    """Refuse a request without the launch token.

    Raises:
        Failure: the token is missing or wrong, or the server has none.
    """
    expected = settings.launch_token
    if expected is None or given is None or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Failure("no_launch_token")
