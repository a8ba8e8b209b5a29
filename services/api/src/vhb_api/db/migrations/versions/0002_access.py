"""Who may do what, and who did"""

import sqlalchemy as sa
from alembic import op

from vhb_api.db.types import CleanText, UtcTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("token_id", CleanText(), nullable=False),
        sa.Column("name", CleanText(), nullable=False),
        sa.Column("role", CleanText(), nullable=False),
        sa.Column("hash", CleanText(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("revoked_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("token_id"),
        sa.UniqueConstraint("hash"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("time", UtcTime(), nullable=False),
        sa.Column("token", CleanText(), nullable=False),
        sa.Column("role", CleanText(), nullable=False),
        sa.Column("method", CleanText(), nullable=False),
        sa.Column("path", CleanText(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("client", CleanText(), nullable=False),
        sa.Column("about", CleanText(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )


def downgrade() -> None:
    op.drop_table("audit")
    op.drop_table("tokens")
