"""`make bench`: a house of its own for the length of a measurement, with durable commits, beside any other.

It has its own data folder and ports, so it may run while `make run` is up (the figures are then lower).
The rate limit of the API is set out of the way; everything else is as `make run` has it. The journal is
measured after it, on a server of its own (`config.bench.ledger`).
"""

import os
import subprocess
import sys

from config import house
from config.supervisor import Supervisor

FOLDER = "bench"
UNLIMITED = "1000000"


class Bench(Supervisor):
    """The house, with a measurement in place of the day."""

    def _day(self, environment: dict[str, str]) -> int:
        command = [sys.executable, "manage.py", "bench", *sys.argv[1:]]
        return subprocess.run(command, cwd=house.ROOT, env=environment, check=False).returncode


def main() -> int:
    """Start the house, measure, stop it; then the journal; return the first exit status that is not 0."""
    house.tidy_environment()
    os.environ.update(ONCE="1", API_WRITES_PER_SECOND=UNLIMITED, API_READS_PER_SECOND=UNLIMITED)
    status = Bench(house.data_folder() / FOLDER).run()
    journal = [sys.executable, "-m", "config.bench.ledger", "--only", "django", "--fill", "10000"]
    return status or subprocess.run(journal, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
