"""The nouns of a station, as frozen values.

What lives here: ids, moments, readings and samples, facts (what happened), commands and outcomes (what the CSMS asked
and what it is told), inputs and effects of the charging core, faults, variables, the view of an EVSE that dialects
project. The model is shaped like OCPP 2.0.1 (station, EVSE, connector, transaction, variable) and knows no version.
What must not: decisions, I/O, time, randomness. Who may import it: every room of the agent except the guard.
"""
