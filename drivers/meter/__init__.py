"""Energy meters over Modbus.

What lives here: the bus (one request in flight, strict answers), the frames it believes, register profiles and their
decoding, the meter itself. What must not: billing, plausibility over time, anything of OCPP; facts about a meter
outside its profile. Who may import it: the driver registry (lazily), the composition root for the buses.
"""
