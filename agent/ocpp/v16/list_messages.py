"""Messages of OCPP 1.6's profile LocalAuthListManagement, with the limits of the official JSON schemas.

Source: OCPP 1.6 edition 2 §5.10, §5.15, §6, §7.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from agent.ocpp.codec import Direction, MessagePair, Payload
from agent.ocpp.fields import Integer, String20
from agent.ocpp.v16 import types


class UpdateType(Enum):
    """Whether a list replaces or changes."""

    DIFFERENTIAL = "Differential"
    FULL = "Full"


class UpdateStatus(Enum):
    """What became of a list."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    NOT_SUPPORTED = "NotSupported"
    VERSION_MISMATCH = "VersionMismatch"


class AuthorizationData(Payload, frozen=True, kw_only=True):
    """One idTag of a list. Without ``id_tag_info`` a differential list takes it off."""

    id_tag: String20
    id_tag_info: types.IdTagInfo | None = None


class GetLocalListVersionRequest(Payload, frozen=True, kw_only=True):
    """Which version of the list is here?"""


class GetLocalListVersionResponse(Payload, frozen=True, kw_only=True):
    """0: the list is empty; -1: the station has none in use."""

    list_version: Integer


class SendLocalListRequest(Payload, frozen=True, kw_only=True):
    """Replace or change the list."""

    list_version: Integer
    update_type: UpdateType
    local_authorization_list: tuple[AuthorizationData, ...] | None = None


class SendLocalListResponse(Payload, frozen=True, kw_only=True):
    """What became of it."""

    status: UpdateStatus


LIST_ACTIONS: Final[Mapping[str, MessagePair]] = MappingProxyType(
    {
        "GetLocalListVersion": MessagePair(
            request=GetLocalListVersionRequest, response=GetLocalListVersionResponse, direction=Direction.TO_STATION
        ),
        "SendLocalList": MessagePair(
            request=SendLocalListRequest, response=SendLocalListResponse, direction=Direction.TO_STATION
        ),
    }
)
