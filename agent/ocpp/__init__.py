"""OCPP: the station's side of the conversation with the CSMS.

``rpc`` and ``codec`` (frames and payloads, sans-I/O); ``session`` (sans-I/O) with its parts: ``registration``,
``inbox`` (CALLs of the CSMS), ``outbox`` (ours; ``open_call``: what each is about), ``triggers``, ``status_board``,
``heartbeat``, ``delivery`` (facts, and what after a failure), ``reticence`` (budgets), ``repeated_names``,
``session_outputs``; ``backoff`` (when to connect again); ``dialect`` (what a version must be able to do); ``v16`` and
``v201`` (two dialects with the same file names that never know each other); ``transport`` (websockets, TLS: the only
I/O). What must not: a rule of charging, the store, a decision by version outside a dialect.
Who may import it: ``runtime``.
"""
