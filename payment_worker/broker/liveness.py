"""Touches a file while the worker's event loop runs, so that a liveness probe can check its age.

`celery inspect ping` costs most of a second of CPU per call, and depends on Redis as well as on the worker.
"""

import contextlib
import logging
from pathlib import Path
from typing import Any

from celery import bootsteps

logger = logging.getLogger(__name__)

# A probe may call a worker dead after several times this.
EVERY_SECONDS = 5.0


class Liveness(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
    """Touches the file named by `liveness_file` in celeryconfig, from the loop that receives messages."""

    def __init__(self, consumer: Any, **options: Any) -> None:  # noqa: ANN401
        path = consumer.app.conf.get("liveness_file")
        self._file = Path(path) if path else None
        self._is_written = True
        consumer.liveness = self
        super().__init__(consumer, **options)

    def touch(self) -> None:
        """Touch the file, if one is configured."""
        if self._file is None:
            return
        try:
            self._file.touch()
        except OSError as error:  # to Celery it would mean that Redis is gone
            if self._is_written:
                logger.error("The liveness file %s cannot be written: %s", self._file, error.strerror)  # noqa: TRY400 - a line is enough
            self._is_written = False
        else:
            self._is_written = True

    def register_with_event_loop(self, _consumer: Any, hub: Any) -> None:  # noqa: ANN401
        """Called at each connection to Redis, with prefork and with threads."""
        if self._file:
            self.touch()
            hub.timer.call_repeatedly(EVERY_SECONDS, self.touch)

    def shutdown(self, _consumer: Any) -> None:  # noqa: ANN401
        """Leave no sign of a worker that has ended."""
        with contextlib.suppress(OSError):
            if self._file:
                self._file.unlink()
