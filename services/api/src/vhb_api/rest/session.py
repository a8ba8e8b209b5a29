"""Logging in and out of a browser."""

import asyncio

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, model_validator

from vhb_api.access.sessions import LASTS
from vhb_api.rest.administration import Me
from vhb_api.rest.context import Anyone, Ctx, guessed_wrong
from vhb_api.rest.cookies import forget_session, from_own_page, given_session, set_session
from vhb_api.rest.problems import Failed, documented

router = APIRouter(prefix="/session", tags=["session"], responses=documented())


class Login(BaseModel):
    """Who comes: by a token, or by a login code that was made for them."""

    token: str | None = Field(None, max_length=500)
    code: str | None = Field(None, max_length=500)

    @model_validator(mode="after")
    def _one(self) -> "Login":
        if (self.token is None) == (self.code is None):
            raise ValueError("expected `token` or `code`")
        return self


@router.post("")
async def log_in(asked: Login, request: Request, response: Response, context: Ctx) -> Me:
    """Change a token, or a login code, into a session: a cookie that scripts cannot read, good for a week.

    It ends with its token, or by `DELETE`.
    """
    if not from_own_page(request):
        raise Failed(403, "Only the service's own page opens a session; programs send their token with each request.")
    if asked.token is not None:
        known = await asyncio.to_thread(context.tokens.known, asked.token.strip())
    else:
        known = await asyncio.to_thread(context.sessions.redeem, asked.code or "")
    if known is None:
        guessed_wrong(request, context)
        what = "This token is not known, or was revoked." if asked.token is not None else "This link was used already."
        raise Failed(401, what, headers={"WWW-Authenticate": "Bearer"})
    request.state.bearer = known
    secret = await asyncio.to_thread(context.sessions.open, known.token_id)
    set_session(request, response, secret, int(LASTS.total_seconds()))
    return Me(name=known.name, role=known.role)


@router.delete("", status_code=204, response_class=Response)
async def log_out(request: Request, context: Ctx, who: Anyone) -> Response:
    """End this session."""
    secret = given_session(request)
    if secret is not None:
        await asyncio.to_thread(context.sessions.close, secret)
    response = Response(status_code=204)
    forget_session(request, response)
    return response
