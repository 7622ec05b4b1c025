"""OCPP: the station's side of the conversation with the CSMS.

``rpc`` frames (sans-I/O), ``session`` (sans-I/O: registration, calls, heartbeat, statuses, delivery), ``delivery`` (which
fact next, and what after a failure), ``backoff``, ``dialect`` (what a version must be able to do), ``v16`` and ``v201``
(two dialects with the same file names that never know each other), ``transport`` (websockets, TLS: the only I/O).
What must not: a rule of charging, the store, a decision by version outside a dialect. Who may import it: ``runtime``.
"""
