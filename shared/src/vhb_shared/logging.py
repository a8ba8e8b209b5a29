"""Logs of every process: structlog, as JSON lines or for people, with job, run and shard bound and no secrets."""

import logging
import sys
from typing import IO, Any, TypeVar

import structlog

from vhb_shared.redaction import Redactor
from vhb_shared.settings import LogSettings

T = TypeVar("T")

_REDACTOR = Redactor()
_CHATTY = (
    "httpx",
    "httpx2",
    "httpcore",
    "urllib3",
    "asyncio",
    "openai",
    "docker",
    "aiohttp.access",
    "PIL",
    "uvicorn.access",
)
"""These say something at every request; only their warnings are of use."""
_OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "faststream", "nats")
"""These bring handlers of their own unless told otherwise."""


def register_secret(value: str | None) -> None:
    """Hides a value wherever it would appear in this process's logs (keys, passwords)."""
    _REDACTOR.register(value)


def without_secrets(value: T) -> T:
    """A text, or fields, as they may be shown: what was registered, looks like a secret or is named so is hidden."""
    cleaned: T = _REDACTOR.clean(value)
    return cleaned


def configure_logging(settings: LogSettings, service: str, stream: IO[str] | None = None) -> None:
    """Routes structlog and the standard library's logging through one renderer.

    Bind what a line is about with `structlog.contextvars.bound_contextvars(job=..., run=..., shard=...)`.

    Args:
        settings: format and level.
        service: bound to every line.
        stream: where lines go; standard error by default, since standard output is for results.
    """
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]

    def add_service(logger: Any, method: str, record: Any) -> Any:
        record.setdefault("service", service)
        return record

    renderer: Any
    if settings.log_format == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                add_service,
                # Tracebacks become text first, so that a secret inside one is found as well.
                structlog.processors.format_exc_info,
                _REDACTOR,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    for name in _OWN_HANDLERS:
        adopt_logger(name)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)


def adopt_logger(name: str) -> logging.Logger:
    """Makes a library's logger use our handler, whatever it had set up; returns it (for FastStream's `logger=`)."""
    logger = logging.getLogger(name)
    logger.handlers = []
    logger.propagate = True
    return logger


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; `name` is the module's."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
