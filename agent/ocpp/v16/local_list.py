"""The local authorization list between OCPP 1.6's words and the model's.

Source: OCPP 1.6 §5.10, §5.15.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.model.ids import IdToken
from agent.model.local_list import (
    GetLocalListVersion,
    ListEntry,
    ListStatus,
    ListUpdate,
    LocalListOutcome,
    LocalListVersionOutcome,
    SendLocalList,
)
from agent.model.verdicts import TokenVerdict, Verdict
from agent.ocpp.codec import Payload
from agent.ocpp.v16 import enums, list_messages, types
from agent.ocpp.wire_time import utc_s

NO_LIST: Final = -1  # OCPP 1.6 §5.10

_VERDICT_OF: Final[Mapping[enums.AuthorizationStatus, Verdict]] = MappingProxyType(
    {
        enums.AuthorizationStatus.ACCEPTED: Verdict.ACCEPTED,
        enums.AuthorizationStatus.BLOCKED: Verdict.BLOCKED,
        enums.AuthorizationStatus.EXPIRED: Verdict.EXPIRED,
        enums.AuthorizationStatus.INVALID: Verdict.INVALID,
        enums.AuthorizationStatus.CONCURRENT_TX: Verdict.CONCURRENT,
    }
)
_UPDATE_OF: Final = MappingProxyType(
    {
        list_messages.UpdateType.FULL: ListUpdate.FULL,
        list_messages.UpdateType.DIFFERENTIAL: ListUpdate.DIFFERENTIAL,
    }
)
_STATUS_OF: Final = MappingProxyType(
    {
        ListStatus.ACCEPTED: list_messages.UpdateStatus.ACCEPTED,
        ListStatus.FAILED: list_messages.UpdateStatus.FAILED,
        ListStatus.NOT_SUPPORTED: list_messages.UpdateStatus.NOT_SUPPORTED,
        ListStatus.VERSION_MISMATCH: list_messages.UpdateStatus.VERSION_MISMATCH,
    }
)

Request = list_messages.GetLocalListVersionRequest | list_messages.SendLocalListRequest
Known = LocalListOutcome | LocalListVersionOutcome


def command(request: Request) -> GetLocalListVersion | SendLocalList:
    """Return what the CSMS asks."""
    if isinstance(request, list_messages.GetLocalListVersionRequest):
        return GetLocalListVersion()
    return SendLocalList(
        version=request.list_version,
        update=_UPDATE_OF[request.update_type],
        entries=tuple(
            ListEntry(token=IdToken(value=each.id_tag), verdict=_verdict(each.id_tag_info))
            for each in request.local_authorization_list or ()
        ),
    )


def response(outcome: Known) -> Payload:
    """Return the response to either."""
    if isinstance(outcome, LocalListVersionOutcome):
        version = NO_LIST if outcome.version is None else outcome.version
        return list_messages.GetLocalListVersionResponse(list_version=version)
    return list_messages.SendLocalListResponse(status=_STATUS_OF[outcome.status])


def _verdict(told: types.IdTagInfo | None) -> TokenVerdict | None:
    if told is None:
        return None
    expires = told.expiry_date
    return TokenVerdict(
        verdict=_VERDICT_OF[told.status],
        group=told.parent_id_tag,
        expires_utc_s=None if expires is None else utc_s(expires),
    )
