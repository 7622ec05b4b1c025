"""Drivers for bought charge controllers, which run pilot and contactor themselves: ``drivers.api.controllers``.

What lives here: one driver per family (``evse_din``, ``phoenix``, ``openevse``, ``everest_mcu``), their protocols as
pure functions (``modbus_frames``, ``rapi``, ``mcu_frames``), and the synchronous lines that they talk over. All of it
runs in the guard's process, on threads beside its scan.
What must not: pyserial, pymodbus, asyncio: a guard with a controller keeps within 32 MiB.
Who may import it: the driver registry (lazily).
"""
