"""A port is reserved for one house at a time, also between two that look at the same instant."""

import subprocess
import sys

from config import servers

ASK = """
import sys
from config import servers
print(servers.reserve_port(int(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def test_two_processes_that_want_the_same_port_get_two():
    wanted = servers.free_port()
    askers = [
        subprocess.Popen(
            [sys.executable, "-c", ASK, str(wanted)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    ports = [int(asker.stdout.readline()) for asker in askers]
    assert len(set(ports)) == 3
    assert wanted in ports
    for asker in askers:
        asker.communicate("")
    assert servers.reserve_port(wanted) == wanted


def test_one_process_never_gets_a_port_twice():
    first = servers.reserve_port()
    assert servers.reserve_port(first) != first
