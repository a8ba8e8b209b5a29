"""Queries and baselines that people keep"""

import sqlalchemy as sa
from alembic import op

from vhb_api.db.types import CleanText, UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "saved_queries",
        sa.Column("name", CleanText(), nullable=False),
        sa.Column("sql", CleanText(), nullable=False),
        sa.Column("description", CleanText(), nullable=False),
        sa.Column("saved_by", CleanText(), nullable=False),
        sa.Column("saved_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "baselines",
        sa.Column("dataset", CleanText(), nullable=False),
        sa.Column("task", CleanText(), nullable=False),
        sa.Column("baseline", CleanText(), nullable=False),
        sa.Column("note", CleanText(), nullable=True),
        sa.Column("pinned_by", CleanText(), nullable=False),
        sa.Column("pinned_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "task"),
    )


def downgrade() -> None:
    op.drop_table("baselines")
    op.drop_table("saved_queries")
