"""On/off lines through gpiozero, always with a pin factory that was named, never the global one.

What lives here: the ``Lines`` contract over any gpiozero factory, the choice of that factory, and the corrections that
a board's outputs need (no glitch at the first write, levels kept at close). What must not: pilot, meters, decisions.
Who may import it: the driver registry (lazily) and ``drivers.bench.lines``.
"""
