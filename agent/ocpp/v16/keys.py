"""The configuration keys of OCPP 1.6, and the variables that they are.

A key that names no variable of the station is answered as unknown; secrets are no keys here.

Source: OCPP 1.6 §9, errata 3.76-3.91.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from agent.model.commands import VariableRef
from agent.model.sample import Measurand
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.variables import Access, Variable, VariableType, key_of

OWN: Final = "Ocpp16"  # component of what only 1.6 knows
_ROTATIONS: Final = ("NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR")

_KEYS: Final[Mapping[str, tuple[str, str, str | None]]] = MappingProxyType(
    {
        "AllowOfflineTxForUnknownId": ("AuthCtrlr", "OfflineTxForUnknownIdEnabled", None),
        "AuthorizationCacheEnabled": ("AuthCacheCtrlr", "Enabled", None),
        "AuthorizeRemoteTxRequests": ("AuthCtrlr", "AuthorizeRemoteStart", None),
        "ChargeProfileMaxStackLevel": ("SmartChargingCtrlr", "ProfileStackLevel", None),
        "ChargingScheduleAllowedChargingRateUnit": (OWN, "ChargingScheduleAllowedChargingRateUnit", None),
        "ChargingScheduleMaxPeriods": ("SmartChargingCtrlr", "PeriodsPerSchedule", None),
        "ClockAlignedDataInterval": ("AlignedDataCtrlr", "Interval", None),
        "ConnectionTimeOut": ("TxCtrlr", "EVConnectionTimeOut", None),
        "ConnectorSwitch3to1PhaseSupported": ("SmartChargingCtrlr", "Phases3to1", None),
        "ConnectorPhaseRotation": (OWN, "ConnectorPhaseRotation", None),
        "ConnectorPhaseRotationMaxLength": (OWN, "ConnectorPhaseRotationMaxLength", None),
        "GetConfigurationMaxKeys": ("DeviceDataCtrlr", "ItemsPerMessage", "GetVariables"),
        "HeartbeatInterval": ("OCPPCommCtrlr", "HeartbeatInterval", None),
        "LocalAuthorizeOffline": ("AuthCtrlr", "LocalAuthorizeOffline", None),
        "LocalPreAuthorize": ("AuthCtrlr", "LocalPreAuthorize", None),
        "MaxChargingProfilesInstalled": ("SmartChargingCtrlr", "Entries", "ChargingProfiles"),
        "MaxEnergyOnInvalidId": ("TxCtrlr", "MaxEnergyOnInvalidId", None),
        "MessageTimeout": ("OCPPCommCtrlr", "MessageTimeout", "Default"),
        "MeterValuesAlignedData": ("AlignedDataCtrlr", "Measurands", None),
        "MeterValuesAlignedDataMaxLength": (OWN, "MeterValuesAlignedDataMaxLength", None),
        "MeterValuesSampledData": ("SampledDataCtrlr", "TxUpdatedMeasurands", None),
        "MeterValuesSampledDataMaxLength": (OWN, "MeterValuesSampledDataMaxLength", None),
        "MeterValueSampleInterval": ("SampledDataCtrlr", "TxUpdatedInterval", None),
        "MinimumStatusDuration": ("OCPPCommCtrlr", "MinimumStatusDuration", None),
        "NumberOfConnectors": (OWN, "NumberOfConnectors", None),
        "ReserveConnectorZeroSupported": ("ReservationCtrlr", "NonEvseSpecific", None),
        "ResetRetries": ("OCPPCommCtrlr", "ResetRetries", None),
        "StopTransactionOnEVSideDisconnect": ("TxCtrlr", "StopTxOnEVSideDisconnect", None),
        "StopTransactionOnInvalidId": ("TxCtrlr", "StopTxOnInvalidId", None),
        "StopTxnAlignedData": ("AlignedDataCtrlr", "TxEndedMeasurands", None),
        "StopTxnAlignedDataMaxLength": (OWN, "StopTxnAlignedDataMaxLength", None),
        "StopTxnSampledData": ("SampledDataCtrlr", "TxEndedMeasurands", None),
        "StopTxnSampledDataMaxLength": (OWN, "StopTxnSampledDataMaxLength", None),
        "SupportedFeatureProfiles": (OWN, "SupportedFeatureProfiles", None),
        "TransactionMessageAttempts": ("OCPPCommCtrlr", "MessageAttempts", "TransactionEvent"),
        "TransactionMessageRetryInterval": ("OCPPCommCtrlr", "MessageAttemptInterval", "TransactionEvent"),
        "UnlockConnectorOnEVSideDisconnect": ("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", None),
        "WebSocketPingInterval": ("OCPPCommCtrlr", "WebSocketPingInterval", None),
    }
)
_REFS: Final[Mapping[str, VariableRef]] = MappingProxyType(
    {name: VariableRef(component=place[0], variable=place[1], instance=place[2]) for name, place in _KEYS.items()}
)
_REF_OF: Final[Mapping[str, VariableRef]] = MappingProxyType({name.casefold(): ref for name, ref in _REFS.items()})
_NAME_OF: Final[Mapping[str, str]] = MappingProxyType({key_of(ref): name for name, ref in _REFS.items()})
_READ_ONLY_KEYS: Final = frozenset(
    key_of(each.ref) for each in STANDARD_VARIABLES if each.access is Access.READ_ONLY
) | frozenset(key_of(ref) for name, ref in _REFS.items() if ref.component == OWN and name != "ConnectorPhaseRotation")


def all_refs() -> Sequence[VariableRef]:
    """Return every key's variable, in alphabetical order of the keys."""
    return tuple(_REFS.values())


def ref_of(name: str) -> VariableRef:
    """Return a key's variable; names compare without case. An unknown one becomes a variable that nobody has."""
    return _REF_OF.get(name.strip().casefold()) or VariableRef(component=OWN, variable=name)


def name_of(ref: VariableRef) -> str:
    """Return the key of a variable in its canonical spelling, or the name that was asked for."""
    return _NAME_OF.get(key_of(ref), ref.variable)


def key_named(name: str) -> str | None:
    """Return the book's key of a configuration key, ``None`` for an unknown one."""
    ref = _REF_OF.get(name.strip().casefold())
    return None if ref is None else key_of(ref)


def read_only(ref: VariableRef) -> bool:
    """Return whether the CSMS cannot write it."""
    return key_of(ref) in _READ_ONLY_KEYS


def own_variables(connector_count: int) -> Sequence[Variable]:
    """Return what only 1.6 knows, and what has another default there.

    ``StopTxnSampledData`` is empty: transaction data bloats StopTransaction, and back ends exist that choke on it.
    """
    rotations = tuple(f"{number}.{order}" for number in range(connector_count + 1) for order in _ROTATIONS)
    standard = {key_of(each.ref): each for each in STANDARD_VARIABLES}
    ended = standard[key_of(_REFS["StopTxnSampledData"])]
    return (
        replace(ended, default=""),
        Variable(
            component=OWN,
            variable="ConnectorPhaseRotation",
            type=VariableType.MEMBER_LIST,
            default=",".join(f"{number}.Unknown" for number in range(connector_count + 1)),
            options=rotations,
            text="phase rotation per connector, 0 is the main meter",
        ),
        _fixed("ConnectorPhaseRotationMaxLength", connector_count + 1),
        _fixed("MeterValuesAlignedDataMaxLength", len(Measurand)),
        _fixed("MeterValuesSampledDataMaxLength", len(Measurand)),
        _fixed("StopTxnAlignedDataMaxLength", len(Measurand)),
        _fixed("StopTxnSampledDataMaxLength", len(Measurand)),
        _fixed("NumberOfConnectors", connector_count),
        Variable(
            component=OWN,
            variable="ChargingScheduleAllowedChargingRateUnit",
            type=VariableType.MEMBER_LIST,
            access=Access.READ_ONLY,
            default="Current,Power",  # the words of this key, although a profile says A and W. Errata 3.88
            options=("Current", "Power"),
            text="units of limits that are taken",
        ),
        Variable(
            component=OWN,
            variable="SupportedFeatureProfiles",
            type=VariableType.STRING,
            access=Access.READ_ONLY,
            default="Core,Reservation,SmartCharging,RemoteTrigger",
            text="feature profiles of OCPP 1.6",
        ),
    )


def _fixed(name: str, value: int) -> Variable:
    return Variable(
        component=OWN,
        variable=name,
        type=VariableType.INTEGER,
        access=Access.READ_ONLY,
        default=str(value),
        text=f"{name} of OCPP 1.6",
    )
