"""The agent of a charging station.

What lives here: the composition root (``app``), the command line (``cli``), the clock, the logs, the error tree; every
other thing has a room. What must not: a rule that belongs in a room. Nothing is imported here, because the guard shares
this package and may load nothing but its own room.
"""

__version__ = "0.1.0"
