"""Tokens and the audit log: for administrators."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from vhb_api.access.roles import Role
from vhb_api.db.tables import AuditRow
from vhb_api.rest import answers
from vhb_api.rest.context import Admin, Anyone, Ctx
from vhb_api.rest.pages import Cursor, Limit, Page, place_of, written
from vhb_api.rest.problems import documented

router = APIRouter(tags=["administration"], responses=documented())


class NewToken(BaseModel):
    """What a token is to be."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[\w .@-]+$")
    role: Role


class MadeToken(BaseModel):
    """A token, shown this once."""

    name: str
    role: Role
    token: str


class Me(BaseModel):
    """Whose token it is."""

    name: str
    role: Role


@router.get("/me")
async def me(who: Anyone) -> Me:
    """Whose token this is."""
    return Me(name=who.name, role=who.role)


@router.get("/tokens")
async def list_tokens(context: Ctx, who: Admin) -> list[answers.TokenEntry]:
    """All tokens, the revoked ones too."""
    found = await asyncio.to_thread(context.tokens.all)
    return [answers.TokenEntry.model_validate(row) for row in found]


@router.post("/tokens", status_code=201, responses=documented(409))
async def make_token(asked: NewToken, context: Ctx, who: Admin) -> MadeToken:
    """Make a token; it is shown in this answer and never again."""
    token = await asyncio.to_thread(context.tokens.make, asked.name, asked.role)
    return MadeToken(name=asked.name, role=asked.role, token=token)


@router.delete("/tokens/{token_id}", status_code=204, response_class=Response)
async def revoke_token(token_id: Annotated[str, Path(max_length=40)], context: Ctx, who: Admin) -> None:
    """End a token at once."""
    await asyncio.to_thread(context.tokens.revoke, token_id)


@router.get("/audit")
async def list_audit(context: Ctx, who: Admin, limit: Limit = 100, cursor: Cursor = None) -> Page[answers.AuditEntry]:
    """Requests that were meant to change something, the latest first."""
    place = place_of(cursor, int)

    def ask() -> list[answers.AuditEntry]:
        query = select(AuditRow).order_by(AuditRow.number.desc()).limit(limit + 1)
        if place is not None:
            query = query.where(AuditRow.number < min(int(place[0]), 2**31 - 1))
        with context.database.reading() as session:
            return [answers.AuditEntry.model_validate(row) for row in session.scalars(query)]

    found = await asyncio.to_thread(ask)
    more = written(found[limit - 1].number) if len(found) > limit else None
    return Page[answers.AuditEntry](items=found[:limit], next=more)
