"""Connections and transactions. Blocking: whoever runs in an event loop calls it in a thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session

from vhb_shared.errors import Unavailable, UserError

BUSY_S = 30.0
"""How long a writer waits for another one."""
_WRITER_LOCK = 0x76686261
"""Names the advisory lock of PostgreSQL that writers of the projection hold."""
DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def database_url(text_: str, password_file: Path | None = None) -> URL:
    """Reads a database address: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`.

    Args:
        text_: the address.
        password_file: holds PostgreSQL's password where the address has none.

    Raises:
        UserError: it is neither; or the file cannot be read.
    """
    try:
        url = make_url(text_)
    except ArgumentError:
        url = None
    name = url.get_backend_name() if url is not None and "+" in url.drivername else url.drivername if url else ""
    if url is None or name not in DRIVERS or (name == "sqlite" and not url.database):
        raise UserError(
            "VHB_API_DATABASE: expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME, not "
            f"{url.render_as_string(hide_password=True) if url is not None else 'this'}."
        )
    if password_file is not None and name != "sqlite" and url.password is None:
        try:
            url = url.set(password=password_file.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"VHB_API_DATABASE_PASSWORD_FILE: {password_file} cannot be read ({error}).") from None
    return url.set(drivername=DRIVERS[name])


class Database:
    """One database. SQLite: write-ahead log, so that readers never wait for the writer."""

    def __init__(self, url: str, password_file: Path | None = None) -> None:
        self.url = database_url(url, password_file)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"connect_args": {"timeout": BUSY_S}} if self.is_sqlite else {"pool_pre_ping": True}
        self.engine: Engine = create_engine(self.url, pool_size=8, max_overflow=16, **options)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _sqlite_settings)

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """Of SQLite."""
        return Path(str(self.url.database)) if self.is_sqlite else None

    def prepare(self) -> None:
        """Makes the folder of a SQLite file; it may hold token hashes, so only its owner reads it.

        Raises:
            UserError: it cannot be written.
        """
        file = self.file
        if file is None:
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
        except OSError as error:
            raise UserError(f"VHB_API_DATABASE: {file} cannot be written ({error.strerror}).") from None

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the database.

        Raises:
            Unavailable: it does not answer.
        """
        with _translated(self), Session(self.engine, expire_on_commit=False) as session:
            if self.is_sqlite:
                session.execute(text("BEGIN"))
            else:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction, committed at the end of the block; one writer at a time, over all processes.

        Raises:
            Unavailable: it does not answer, or others write for too long.
        """
        with _translated(self), Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            if self.is_sqlite:
                session.execute(text("BEGIN IMMEDIATE"))
            else:
                session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITER_LOCK})
            yield session
            session.commit()


@contextmanager
def _translated(database: Database) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise Unavailable(f"the database {database} does not answer ({error.orig})") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable(f"the connection to the database {database} broke ({error.orig})") from error
        raise


def _sqlite_settings(connection: Any, _: Any) -> None:
    # The driver's own idea of when a transaction starts would let a reader become a writer, and fail at it.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def dialect_name(session: Session | Connection) -> str:
    """sqlite or postgresql."""
    bound = session.get_bind() if isinstance(session, Session) else session
    return bound.dialect.name
