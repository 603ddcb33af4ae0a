"""Django's PostgreSQL engine; its connections are looked at without a round trip before they are used again.

Django asks the server (`SELECT 1`) at the first statement of each request. A server that has closed a
connection has said so: its end of the socket can be read. So a connection that was used a moment ago, and on
which nothing has arrived since, is taken as it is; any other is asked as Django does it.
"""

import select
from typing import Any, Final

from django.db.backends.postgresql import base

from ledger import clock

QUIET_SECONDS: Final = 30.0  # after a longer rest a firewall may have forgotten it, and neither side was told


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to PostgreSQL."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seen_at = float("-inf")

    def close_if_health_check_failed(self) -> None:
        """Close the connection when it is of no use any more; once a request."""
        if self.connection is None or not self.health_check_enabled or self.health_check_done:
            return
        now = clock.monotonic()
        if now - self._seen_at < QUIET_SECONDS and self._is_silent():
            self.health_check_done = True
        else:
            super().close_if_health_check_failed()
        self._seen_at = now

    def _is_silent(self) -> bool:
        """Say whether nothing has arrived that nobody asked for: the end of the connection, or of the
        server."""
        if self.connection.closed:
            return False
        looker = select.poll()
        looker.register(self.connection.fileno(), select.POLLIN)
        return not looker.poll(0)
