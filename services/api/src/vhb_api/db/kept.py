"""Tables of what people keep for queries. Not of the projection: a rebuild leaves them."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from vhb_api.db.tables import Base


class SavedQueryRow(Base):
    """A query that somebody keeps."""

    __tablename__ = "saved_queries"

    name: Mapped[str] = mapped_column(primary_key=True)
    sql: Mapped[str]
    description: Mapped[str]
    saved_by: Mapped[str]
    """The token's name."""
    saved_at: Mapped[datetime]


class BaselineRow(Base):
    """The job or run that later ones on a data set and task are compared with."""

    __tablename__ = "baselines"

    dataset: Mapped[str] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(primary_key=True)
    baseline: Mapped[str]
    """A job id or a run id."""
    note: Mapped[str | None]
    pinned_by: Mapped[str]
    pinned_at: Mapped[datetime]
