"""The store: what must survive a power cut. One SQLite file, one connection, one writer thread.

What lives here: the journal of facts with what their delivery needs, dead letters, transactions, variables, the
authorization cache, availability, boots with their time anchors; numbered migrations; salvage of a corrupt file; the
copy that field tools read. ``Store`` is synchronous and belongs to one thread; ``StoreThread`` is that thread.
What must not: an opinion about charging or delivery order beyond "in sequence", an OCPP frame, a second connection.
Who may import it: ``agent.runtime``, ``agent.app`` and the command line. Only this room imports ``sqlite3``.
"""

from agent.store.failures import FailureKind, StoreFailure
from agent.store.field_copy import read_copy
from agent.store.opening import Opened, OpenReport
from agent.store.records import ChargeRecord, Delivery, KeptRecord
from agent.store.salvage import Salvage
from agent.store.store import Store
from agent.store.thread import StoreThread
from agent.store.values import Counts, QueueRow, RowState, Sizes, StoredState

__all__ = [
    "ChargeRecord",
    "Counts",
    "Delivery",
    "FailureKind",
    "KeptRecord",
    "OpenReport",
    "Opened",
    "QueueRow",
    "RowState",
    "Salvage",
    "Sizes",
    "Store",
    "StoreFailure",
    "StoreThread",
    "StoredState",
    "read_copy",
]
