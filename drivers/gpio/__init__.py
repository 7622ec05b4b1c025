"""On/off lines: straight over libgpiod, or through gpiozero with a pin factory that was named, never the global one.

What lives here: the chips and lines of the kernel by label and name, the ``Lines`` contract over libgpiod and over any
gpiozero factory, our own gpiozero factory over libgpiod, and the corrections that a board's outputs need (no glitch at
the first write, levels kept at close). What must not: pilot, meters, decisions.
Who may import it: the driver registry (lazily) and ``drivers.bench.lines``.
"""
