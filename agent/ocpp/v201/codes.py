"""CALLERROR codes in the spelling of OCPP 2.0.1.

Source: OCPP 2.0.1 part 4 §4.3, table of RPC framework error codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.ocpp.errors import Violation

CODE_OF: Final[Mapping[Violation, str]] = MappingProxyType(
    {
        Violation.FRAME: "RpcFrameworkError",
        Violation.MESSAGE_TYPE: "MessageTypeNotSupported",
        Violation.FORMAT: "FormatViolation",
        Violation.PROTOCOL: "ProtocolError",
        Violation.OCCURRENCE: "OccurrenceConstraintViolation",
        Violation.TYPE: "TypeConstraintViolation",
        Violation.PROPERTY: "PropertyConstraintViolation",
        Violation.NOT_IMPLEMENTED: "NotImplemented",
        Violation.NOT_SUPPORTED: "NotSupported",
        Violation.SECURITY: "SecurityError",
        Violation.INTERNAL: "InternalError",
        Violation.GENERIC: "GenericError",
    }
)
