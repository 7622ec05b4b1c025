"""The station file: ``station.toml`` to typed, frozen settings, or every problem at once.

What lives here: the description of each option (``tables``, by groups in ``*_tables``; ``connectors``), reading and
checking, boards, the last good copy, the guard's compiled plan, the generated example and JSON schema. What must not:
OCPP (names of variables are checked by a callable that the caller passes in), opening hardware, defaults for a file
that is broken.
Who may import it: the composition root and the command line; everybody else is given the values.
"""
