"""Real-time priority: the scan above everything, its drivers' threads right below it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """\
import os, threading
from agent.guard.log import Log
from agent.guard.realtime import settle

end = threading.Event()
driver = threading.Thread(target=end.wait, daemon=True)
driver.start()
settle(Log(fd=os.open(os.devnull, os.O_WRONLY)), realtime=True)
for task in (0, driver.native_id):
    print(os.sched_getscheduler(task), os.sched_getparam(task).sched_priority)
"""


def test_a_drivers_thread_gets_a_priority_right_below_the_scans() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    scan, driver = ran.stdout.splitlines()
    if scan.split()[0] != str(os.SCHED_FIFO):
        pytest.skip("this user may not ask for real-time priority")
    assert (scan, driver) == (f"{os.SCHED_FIFO} 50", f"{os.SCHED_FIFO} 49")
