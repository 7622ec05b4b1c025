"""The first message of all. It stands alone, because the others load while it is on its way.

Source: OCPP 1.6 edition 2 §6.1; OCPP 1.6 JSON schemas with errata.
"""

from __future__ import annotations

from typing import Final

from agent.ocpp.codec import Codec, Payload
from agent.ocpp.fields import String20, String25, String50


class BootNotificationRequest(Payload, frozen=True, kw_only=True):
    """Register after a start."""

    charge_point_vendor: String20
    charge_point_model: String20
    charge_point_serial_number: String25 | None = None
    charge_box_serial_number: String25 | None = None
    firmware_version: String50 | None = None
    iccid: String20 | None = None
    imsi: String20 | None = None
    meter_type: String25 | None = None
    meter_serial_number: String25 | None = None


CODEC: Final = Codec({}, frozenset())
"""Writes this one."""
