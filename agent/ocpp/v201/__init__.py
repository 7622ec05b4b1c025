"""The dialect of OCPP 2.0.1: ``Dialect201`` in ``dialect``.

What lives here: the messages (``messages``, ``types``, ``enums``), their meaning in the neutral model (``outgoing``,
``incoming``, ``answers``), the projection of the status (``status``), the device model (``variables``), CALLERROR codes
(``codes``). What must not: anything of another version, a decision about charging or delivery, state.
Who may import it: ``app`` (to choose it); nobody else needs to know which version is spoken.
"""
