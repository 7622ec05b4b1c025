"""The technician's local door: a Unix socket beside the agent, its client, and the screens of the command line.

What lives here: the JSON-lines protocol of the door, and pure functions that turn its
answers into text. What must not: decisions, the store, hardware. Who may import it: ``runtime``, ``app``, ``cli``.
"""
