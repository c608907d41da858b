"""Programs of this computer that a person connected: the browser extension, the docker for Krita."""

from __future__ import annotations

from starlette.requests import Request

from i2v_search.web.guard.failures import Failure
from i2v_search.web.guard.safety import FROM_APP


def check_app(request: Request) -> None:
    """Refuse a request without the app token, which the gate has looked at.

    Raises:
        Failure: the token is missing or wrong, or the server has none.
    """
    if not request.scope.get("state", {}).get(FROM_APP):
        raise Failure("no_app_token")
