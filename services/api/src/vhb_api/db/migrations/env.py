"""Run by Alembic, over the connection that `vhb_api.db.migrate` holds."""

from alembic import context

from vhb_api.db.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    # The transaction, and the lock that keeps others out, are those of the caller.
    transaction_per_migration=False,
    transactional_ddl=False,
)
context.run_migrations()
