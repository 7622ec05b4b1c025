"""The dialect of OCPP 1.6J: ``Dialect16`` in ``dialect``.

What lives here: the messages (``messages``, ``enums``), their meaning in the neutral model (``outgoing``, ``incoming``,
``answers``), the projection of the status (``status``), connector numbers (``places``), configuration keys (``keys``),
CALLERROR codes (``codes``); an area of its own has two files, as ``list_messages`` and ``local_list``. What must not:
anything of another version, a decision about charging or delivery, state.
Who may import it: ``app`` (to choose it); nobody else needs to know which version is spoken.
"""
