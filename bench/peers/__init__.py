"""The baselines, each a process of its own, as small as somebody who knows the library would write it.

What lives here: clients on bare ``websockets`` and on the package ``ocpp``, and the server that all of them speak to.
What must not: anything of the agent. Who may import it: ``bench``.
"""
