"""Card readers on serial lines.

What lives here: one driver per reader family, its frame parser and the rule of presentations (both pure). What must
not: who may charge, hashing, anything of OCPP. Who may import it: the driver registry (lazily).
"""
