"""Brings a database to the tables of this version, with Alembic. Blocking."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError

from vhb_api.db.database import Database
from vhb_shared.errors import UserError


def alembic_config(database: Database) -> Config:
    """Alembic's configuration, with the connection it is to use."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["database"] = database
    return config


def migrate(database: Database) -> None:
    """Makes what is missing; several processes may do so at once.

    Raises:
        UserError: the database is of a newer version.
        Unavailable: it does not answer.
    """
    database.prepare()
    try:
        with database.writing() as session:
            config = alembic_config(database)
            config.attributes["connection"] = session.connection()
            command.upgrade(config, "head")
    except CommandError as error:
        raise UserError(f"The database {database} is of another version of vhb ({error}): use that one.") from error
