"""The long-lived tasks: supervisor, core loop, guard link, CSMS link, meters, readers, console door.

What lives here: everything that waits. A task reads an inbox or a device, hands values to a pure room, and performs
what comes back. What must not: a rule of charging, a word of an OCPP version, SQL. Who may import it: ``app``.
"""
