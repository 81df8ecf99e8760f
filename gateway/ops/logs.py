"""JSON lines with constant event names `noun.verb` and identifiers only: never text, name, phone or card."""

import logging
import sys
from typing import Any, TextIO

import structlog

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def set_up_logs(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """One JSON object a line, times in UTC. Libraries' own logging is kept to warnings, in the same form."""
    target = stream or sys.stdout
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.ExceptionRenderer(_describe_failure),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(target),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # A library's message may hold what a customer wrote; where it came from is enough to look further.
                _keep_origin_only,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)


_TRACEBACK = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def _describe_failure(exc_info: structlog.typing.ExcInfo) -> list[dict[str, Any]]:
    """Kinds and places. What a failure says of itself may hold what a customer wrote: `int()` and databases quote it."""
    told = _TRACEBACK(exc_info)
    for each in told:
        each |= {"exc_value": "", "exc_notes": []}
    return told


def _keep_origin_only(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    failure = event.pop("exc_info", None)
    kind = failure[0].__name__ if isinstance(failure, tuple) and failure[0] else None
    return {
        "event": "library.warned",
        "logger": event.get("logger"),
        "level": event.get("level"),
        "at": event.get("at"),
        **({"error": kind} if kind else {}),
    }
