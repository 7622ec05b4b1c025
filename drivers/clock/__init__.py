"""Clocks: who vouches for the time of day, and which boot this is.

What lives here: ``ClockSource`` drivers, one file each. What must not: time zones, rendering, decisions about what to
do while the time is unknown. Who may import it: the driver registry (lazily).
"""
