"""The charging core: what a station decides, without doing any of it.

What lives here: ``station.Station`` takes inputs (``agent.model.inputs``) with the moment at which they are handled and
returns effects (``agent.model.effects``). Sessions, transactions, limits, plausibility of readings; who may charge
(``authorization``, pure) with what is known of tokens (``known_tokens`` of ``local_list``, ``local_cards`` and
``token_cache``); ``metering`` (samples, when they are due, what the end of a transaction tells); ``sides`` (the
connectors of an EVSE, and whose turn it is).
What must not: I/O, clocks, timers, randomness, any OCPP version, anything that can close a contactor (the core only
grants permits; the guard decides).
Who may import it: ``agent.runtime`` and ``agent.app``; tests.
"""
