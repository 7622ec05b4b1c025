"""What the station keeps secret and whom it trusts: passwords, its own keys, roots, the security log.

Lives here: files under ``state_dir`` with mode 0600 and what they mean; certificates are looked at by `cryptography`,
which loads only inside the functions of ``certificates``. Keys on a PKCS #11 token are touched by ``token_work`` in a
process of its own (``token_key`` is its alone). Must not live here: sockets, OCPP's words, decisions about charging.
May be imported by runtime, app and cli; imports the model and ``agent.atomic`` only.
"""
