"""The guard: the process that holds everything that can hurt.

What lives here: the fixed scan (read all, judge, write), a channel for each connector (``channels``: what those of one
EVSE share), the pilot table and the interlock (both pure), the permit and its expiry, the latched faults, the socket to
the agent, ``wire``, its messages, and ``packets``, what they look like as bytes (both sans-I/O).
What must not: opinions about OCPP, prices or cards; imports beyond the standard library, ``drivers.api`` and this
room; asyncio; anything that may block the scan.
Who may import it: ``agent.runtime`` imports ``wire`` and ``packets`` and nothing else of this room; ``agent.trial``,
which stands in for the guard, uses its parts; the command line starts ``python -m agent.guard PLAN`` as a process of
its own.
"""
