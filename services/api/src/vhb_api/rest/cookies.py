"""The cookie of a browser's session, and whether a request comes from the service's own page.

A cookie is sent by the browser, whoever makes it ask. `SameSite=Strict` keeps other sites out, but a site is a host
without its port: what another server on this machine shows is of the same site. So a request by cookie counts only
where the browser says that the service's own page made it.
"""

from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

_READING = ("GET", "HEAD", "OPTIONS")


def given_session(request: Request) -> str | None:
    """What the cookie holds; None where there is none, or where another origin's page made the request."""
    secret = request.cookies.get(_name(request))
    return secret if secret and from_own_page(request) else None


def from_own_page(request: Request) -> bool:
    """Whether a browser says so; one that says nothing may read, and change nothing."""
    reading = request.method in _READING
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        # none: a person typed the address, or opened a bookmark.
        return site == "same-origin" or (site == "none" and reading)
    origin = request.headers.get("origin")
    if origin is not None:
        try:
            return urlsplit(origin).netloc == request.headers.get("host")
        except ValueError:
            return False
    return reading


def set_session(request: Request, response: Response, secret: str, seconds: int) -> None:
    """Gives the browser its session."""
    response.set_cookie(
        _name(request), secret, max_age=seconds, path="/api", httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip


def forget_session(request: Request, response: Response) -> None:
    """Takes it away again."""
    response.delete_cookie(_name(request), path="/api", httponly=True, samesite="strict")


def _name(request: Request) -> str:
    # Cookies know no ports: two services on one machine would log each other out.
    try:
        port = urlsplit(f"//{request.headers.get('host', '')}").port
    except ValueError:
        port = None
    return f"vhb-session-{port}" if port is not None else "vhb-session"
