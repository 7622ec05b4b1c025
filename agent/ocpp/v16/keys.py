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
from agent.model.measurands import BY_METER, names_of
from agent.model.sample import Measurand
from agent.model.standard_variables import BLINK_REPEAT, MOST_ROOTS, STANDARD_VARIABLES, light_variables
from agent.model.station import EvseLayout
from agent.model.variables import Access, Variable, VariableType, key_of

OWN: Final = "Ocpp16"  # component of what only 1.6 knows
PROFILES: Final = (
    "Core",
    "FirmwareManagement",
    "LocalAuthListManagement",
    "Reservation",
    "SmartCharging",
    "RemoteTrigger",
)
_ROTATIONS: Final = ("NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR")

_KEYS: Final[Mapping[str, tuple[str, str, str | None]]] = MappingProxyType(
    {
        "AdditionalRootCertificateCheck": ("SecurityCtrlr", "AdditionalRootCertificateCheck", None),
        "AllowOfflineTxForUnknownId": ("AuthCtrlr", "OfflineTxForUnknownIdEnabled", None),
        "AuthorizationCacheEnabled": ("AuthCacheCtrlr", "Enabled", None),
        "AuthorizationKey": ("SecurityCtrlr", "BasicAuthPassword", None),
        "AuthorizeRemoteTxRequests": ("AuthCtrlr", "AuthorizeRemoteStart", None),
        "BlinkRepeat": (*BLINK_REPEAT, None),
        "CertificateSignedMaxChainSize": ("SecurityCtrlr", "MaxCertificateChainSize", None),
        "CertificateStoreMaxLength": (OWN, "CertificateStoreMaxLength", None),
        "CertSigningRepeatTimes": ("SecurityCtrlr", "CertSigningRepeatTimes", None),
        "CertSigningWaitMinimum": ("SecurityCtrlr", "CertSigningWaitMinimum", None),
        "ChargeProfileMaxStackLevel": ("SmartChargingCtrlr", "ProfileStackLevel", None),
        "ChargingScheduleAllowedChargingRateUnit": (OWN, "ChargingScheduleAllowedChargingRateUnit", None),
        "ChargingScheduleMaxPeriods": ("SmartChargingCtrlr", "PeriodsPerSchedule", None),
        "ClockAlignedDataInterval": ("AlignedDataCtrlr", "Interval", None),
        "ConnectionTimeOut": ("TxCtrlr", "EVConnectionTimeOut", None),
        "ConnectorPhaseRotation": (OWN, "ConnectorPhaseRotation", None),
        "ConnectorPhaseRotationMaxLength": (OWN, "ConnectorPhaseRotationMaxLength", None),
        "ConnectorSwitch3to1PhaseSupported": ("SmartChargingCtrlr", "Phases3to1", None),
        "CpoName": ("SecurityCtrlr", "OrganizationName", None),
        "GetConfigurationMaxKeys": ("DeviceDataCtrlr", "ItemsPerMessage", "GetVariables"),
        "HeartbeatInterval": ("OCPPCommCtrlr", "HeartbeatInterval", None),
        "LocalAuthListEnabled": ("LocalAuthListCtrlr", "Enabled", None),
        "LocalAuthListMaxLength": ("LocalAuthListCtrlr", "Entries", None),
        "LocalAuthorizeOffline": ("AuthCtrlr", "LocalAuthorizeOffline", None),
        "LocalPreAuthorize": ("AuthCtrlr", "LocalPreAuthorize", None),
        "MaxChargingProfilesInstalled": ("SmartChargingCtrlr", "Entries", "ChargingProfiles"),
        "MaxEnergyOnInvalidId": ("TxCtrlr", "MaxEnergyOnInvalidId", None),
        "MessageTimeout": ("OCPPCommCtrlr", "MessageTimeout", "Default"),
        "MeterValuesAlignedData": ("AlignedDataCtrlr", "Measurands", None),
        "MeterValuesAlignedDataMaxLength": (OWN, "MeterValuesAlignedDataMaxLength", None),
        "MeterValueSampleInterval": ("SampledDataCtrlr", "TxUpdatedInterval", None),
        "MeterValuesSampledData": ("SampledDataCtrlr", "TxUpdatedMeasurands", None),
        "MeterValuesSampledDataMaxLength": (OWN, "MeterValuesSampledDataMaxLength", None),
        "MinimumStatusDuration": ("OCPPCommCtrlr", "MinimumStatusDuration", None),
        "NumberOfConnectors": (OWN, "NumberOfConnectors", None),
        "ReserveConnectorZeroSupported": ("ReservationCtrlr", "NonEvseSpecific", None),
        "ResetRetries": ("OCPPCommCtrlr", "ResetRetries", None),
        "SecurityProfile": ("SecurityCtrlr", "SecurityProfile", None),
        "SendLocalListMaxLength": ("LocalAuthListCtrlr", "ItemsPerMessage", None),
        "StopTransactionMaxMeterValues": ("SampledDataCtrlr", "TxEndedMaxValues", None),
        "StopTransactionOnEVSideDisconnect": ("TxCtrlr", "StopTxOnEVSideDisconnect", None),
        "StopTransactionOnInvalidId": ("TxCtrlr", "StopTxOnInvalidId", None),
        "StopTxnAlignedData": ("AlignedDataCtrlr", "TxEndedMeasurands", None),
        "StopTxnAlignedDataMaxLength": (OWN, "StopTxnAlignedDataMaxLength", None),
        "StopTxnSampledData": ("SampledDataCtrlr", "TxEndedMeasurands", None),
        "StopTxnSampledDataMaxLength": (OWN, "StopTxnSampledDataMaxLength", None),
        "SupportedFeatureProfiles": (OWN, "SupportedFeatureProfiles", None),
        "SupportedFileTransferProtocols": ("OCPPCommCtrlr", "FileTransferProtocols", None),
        "TransactionMessageAttempts": ("OCPPCommCtrlr", "MessageAttempts", "TransactionEvent"),
        "TransactionMessageRetryInterval": ("OCPPCommCtrlr", "MessageAttemptInterval", "TransactionEvent"),
        "UnlockConnectorOnEVSideDisconnect": ("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", None),
        "WebSocketPingInterval": ("OCPPCommCtrlr", "WebSocketPingInterval", None),
    }
)
_SECRET: Final = ("AuthorizationKey",)  # only named where somebody asks for it by name, and then without a value
_OF_LIGHTS: Final = ("BlinkRepeat",)
_REFS: Final[Mapping[str, VariableRef]] = MappingProxyType(
    {name: VariableRef(component=place[0], variable=place[1], instance=place[2]) for name, place in _KEYS.items()}
)
_REF_OF: Final[Mapping[str, VariableRef]] = MappingProxyType({name.casefold(): ref for name, ref in _REFS.items()})
_NAME_OF: Final[Mapping[str, str]] = MappingProxyType({key_of(ref): name for name, ref in _REFS.items()})
MOST_KEYS: Final = 100  # GetConfigurationMaxKeys
_LISTS: Final = ("MeterValuesAlignedData", "MeterValuesSampledData", "StopTxnAlignedData", "StopTxnSampledData")
_LIST_LENGTH: Final = 32  # members of a list of measurands


def all_refs(*, lights: bool = True) -> Sequence[VariableRef]:
    """Return the variable of every key that can be read, in alphabetical order of the keys.

    ``lights``: the station has status lights.
    """
    left_out = _SECRET if lights else (*_SECRET, *_OF_LIGHTS)
    return tuple(ref for name, ref in _REFS.items() if name not in left_out)


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


def own_variables(evses: Sequence[EvseLayout]) -> Sequence[Variable]:
    """Return what only 1.6 knows, and what is otherwise there.

    - ``StopTxnSampledData`` is empty: transaction data bloats StopTransaction, and back ends exist that choke on it.
    - Stop data has no intervals of its own (§3.16.5): they follow those of the samples that are sent.
    - An empty list of what is sent means the energy register (§9.1.14, §9.1.16), and a phase may stand behind a name.
    - The time-out of a message may be changed (errata 3.83); a cable that is fixed cannot be unlocked (§9.1.31).
    """
    numbers = range(sum(len(each.connector_ids) for each in evses) + 1)
    rotations = tuple(f"{number}.{order}" for number in numbers for order in _ROTATIONS)
    standard = {key_of(each.ref): each for each in STANDARD_VARIABLES}
    return (
        *(_measurands(name, standard[key_of(_REFS[name])]) for name in _LISTS),
        replace(_standard("SampledDataCtrlr", "TxEndedInterval"), follows="SampledDataCtrlr.TxUpdatedInterval"),
        replace(_standard("AlignedDataCtrlr", "TxEndedInterval"), follows="AlignedDataCtrlr.Interval"),
        replace(standard[key_of(_REFS["MessageTimeout"])], access=Access.READ_WRITE),
        replace(_standard("OCPPCommCtrlr", "FileTransferProtocols"), default="FTP,FTPS,HTTP,HTTPS"),
        *light_variables(evses),
        *_unlocking(standard[key_of(_REFS["UnlockConnectorOnEVSideDisconnect"])], evses),
        Variable(
            component=OWN,
            variable="ConnectorPhaseRotation",
            type=VariableType.MEMBER_LIST,
            default=",".join(f"{number}.Unknown" for number in numbers),
            options=rotations,
            maximum=len(numbers),
            text="phase rotation per connector, 0 is the main meter",
        ),
        Variable(
            component=OWN,
            variable="ChargingScheduleAllowedChargingRateUnit",
            type=VariableType.MEMBER_LIST,
            access=Access.READ_ONLY,
            default="Current,Power",  # the words of this key, although a profile says A and W. Errata 3.88
            options=("Current", "Power"),
            text="units of limits that are taken",
        ),
        _fixed("ConnectorPhaseRotationMaxLength", len(numbers)),
        *(_fixed(f"{name}MaxLength", _LIST_LENGTH) for name in _LISTS),
        _fixed("NumberOfConnectors", len(numbers) - 1),
        _fixed("CertificateStoreMaxLength", MOST_ROOTS),
        replace(_standard("SecurityCtrlr", "SecurityProfile"), access=Access.READ_WRITE, persistent=False),
        Variable(
            component=OWN,
            variable="SupportedFeatureProfiles",
            type=VariableType.STRING,
            access=Access.READ_ONLY,
            default=",".join(PROFILES),
            text="feature profiles of OCPP 1.6",
        ),
    )


def _measurands(name: str, definition: Variable) -> Variable:
    sent = name.startswith("MeterValues")
    return replace(
        definition,
        default="" if name == "StopTxnSampledData" else definition.default,
        options=names_of(BY_METER, with_phases=True),
        known=names_of(frozenset(Measurand) - BY_METER, with_phases=False),
        maximum=_LIST_LENGTH,
        empty_means=(Measurand.ENERGY_IMPORT_REGISTER.value,) if sent else (),
    )


def _standard(component: str, variable: str) -> Variable:
    return next(each for each in STANDARD_VARIABLES if (each.component, each.variable) == (component, variable))


def _unlocking(definition: Variable, evses: Sequence[EvseLayout]) -> Sequence[Variable]:
    if any(each.lockable for each in evses):
        return ()
    return (replace(definition, access=Access.READ_ONLY, default="false"),)


def _fixed(name: str, value: int) -> Variable:
    return Variable(
        component=OWN,
        variable=name,
        type=VariableType.INTEGER,
        access=Access.READ_ONLY,
        default=str(value),
        text=f"{name} of OCPP 1.6",
    )
