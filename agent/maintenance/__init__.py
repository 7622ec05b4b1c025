"""Firmware update, log upload and what else keeps a station in the field: an empty room so far.

What will live here: installers and uploads behind contracts. What must not: charging, OCPP messages. Who may import it:
``app``.
"""
