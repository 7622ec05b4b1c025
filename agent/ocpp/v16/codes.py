"""CALLERROR codes in the spelling of OCPP 1.6.

Source: OCPP-J 1.6 §4.2.3. ``Occurence`` has one r there, and the errata keep it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.ocpp.errors import Violation

CODE_OF: Final[Mapping[Violation, str]] = MappingProxyType(
    {
        Violation.FRAME: "FormationViolation",  # "syntactically incorrect or not conform the PDU structure"
        Violation.MESSAGE_TYPE: "ProtocolError",  # never sent: 1.6 ignores unknown message types (OCPP-J §4.1.3)
        Violation.FORMAT: "FormationViolation",
        Violation.PROTOCOL: "ProtocolError",
        Violation.OCCURRENCE: "OccurenceConstraintViolation",
        Violation.TYPE: "TypeConstraintViolation",
        Violation.PROPERTY: "PropertyConstraintViolation",
        Violation.NOT_IMPLEMENTED: "NotImplemented",
        Violation.NOT_SUPPORTED: "NotSupported",
        Violation.SECURITY: "SecurityError",
        Violation.INTERNAL: "InternalError",
        Violation.GENERIC: "GenericError",
    }
)
