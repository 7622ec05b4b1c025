"""The bench: the simulated world around a charging station, its wires, and the back end it talks to.

What lives here: the world (cars, contactors, locks, meters, card readers, mains) as pure code in virtual time, the
wires that show it to a station, the control socket, its clients, and the bench's CSMS. What must not: anything of
``agent``; a bench must serve any agent. Of ``drivers`` only ``drivers.bench.wire`` (the layout of the pins wire).
Who may import it: tests and ``bench/``; never the product.
"""
