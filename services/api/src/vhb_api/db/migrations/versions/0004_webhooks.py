"""Webhooks and their deliveries"""

import sqlalchemy as sa
from alembic import op

from vhb_api.db.types import CleanText, UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", CleanText(), nullable=False),
        sa.Column("name", CleanText(), nullable=False),
        sa.Column("url", CleanText(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("job_name", CleanText(), nullable=True),
        sa.Column("model", CleanText(), nullable=True),
        sa.Column("judges", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", CleanText(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("key_name", CleanText(), nullable=False),
        sa.Column("secret_round", sa.Integer(), nullable=False),
        sa.Column("former_until", UtcTime(), nullable=True),
        sa.Column("failing_since", UtcTime(), nullable=True),
        sa.Column("last_success_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("webhook_id"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("delivery_id", CleanText(), nullable=False),
        sa.Column("webhook_id", CleanText(), nullable=False),
        sa.Column("event_id", CleanText(), nullable=False),
        sa.Column("what", CleanText(), nullable=False),
        sa.Column("job_id", CleanText(), nullable=True),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("body", CleanText(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("state", CleanText(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("leased_by", CleanText(), nullable=True),
        sa.Column("leased_until", UtcTime(), nullable=True),
        sa.Column("attempted_at", UtcTime(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", CleanText(), nullable=True),
        sa.Column("response", CleanText(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id"),
    )
    op.create_index("deliveries_due", "webhook_deliveries", ["state", "due_at"])
    op.create_index("deliveries_by_webhook_state", "webhook_deliveries", ["webhook_id", "state", "due_at"])
    op.create_index("deliveries_by_webhook", "webhook_deliveries", ["webhook_id", "created_at", "delivery_id"])


def downgrade() -> None:
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
