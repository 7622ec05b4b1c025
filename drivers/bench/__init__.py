"""Drivers of the bench: the same contracts as on real boards, with the simulated world behind them.

What lives here: the pins wire that the bench and these drivers share, the power path, the lines and their gpiozero pin
factory. What must not: any simulated behaviour (that is the bench's own process), any import of ``agent`` or ``hil``.
Who may import it: the driver registry (lazily), and ``hil`` for ``drivers.bench.wire`` alone.
"""
