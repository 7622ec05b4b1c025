"""The root of everything that the agent raises on purpose.

AgentError
├── StoreError           the database could not do what was asked; a fact may not be durable
├── GuardError           the guard's link or an answer on it cannot be used
├── SettingsError        a station file is wrong (``agent.settings``: a list of problems with file, line, key and hint)
└── OcppError            the OCPP link (``agent.ocpp.errors``)

Drivers raise ``drivers.api.errors.DriverError``, which is no ``AgentError``: drivers know nothing of the agent.
"""


class AgentError(Exception):
    """Root of the agent's own exceptions. The text says what, which value, and what was expected."""


class StoreError(AgentError):
    """The store failed. Whoever waited for durability must not act as if it had been reached."""


class GuardError(AgentError):
    """The guard could not be reached, speaks another version, or refused."""
