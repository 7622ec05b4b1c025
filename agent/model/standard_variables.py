"""The variables that every station has, whatever it speaks. Names are those of OCPP 2.0.1.

A dialect adds its own and may replace one of these by another definition of the same key (another default).

Source: OCPP 2.0.1 part 2 appendix 3 (required variables of the core profile); OCPP 1.6 §9 for what has no namesake
there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from agent.model.measurands import BY_METER, names_of
from agent.model.sample import Measurand
from agent.model.station import EvseLayout
from agent.model.variables import Access, Variable, VariableType

_MEASURANDS: Final = names_of(BY_METER, with_phases=False)
_TOLD_BY_SOME: Final = (Measurand.SOC.value,)  # Temperature is no measurand of 2.0.1
_ENERGY: Final = Measurand.ENERGY_IMPORT_REGISTER.value
_RUNNING: Final = ",".join((_ENERGY, Measurand.POWER_IMPORT.value, Measurand.CURRENT_IMPORT.value))
_DAY_S: Final = 86_400


def _flag(component: str, variable: str, default: bool, text: str, *, access: Access = Access.READ_WRITE) -> Variable:
    return Variable(
        component=component,
        variable=variable,
        type=VariableType.BOOLEAN,
        access=access,
        default="true" if default else "false",
        text=text,
    )


def _whole(
    component: str,
    variable: str,
    default: int,
    unit: str | None,
    bounds: tuple[int, int],
    text: str,
    *,
    instance: str | None = None,
    access: Access = Access.READ_WRITE,
    file_may_set: bool = False,
) -> Variable:
    return Variable(
        component=component,
        variable=variable,
        instance=instance,
        type=VariableType.INTEGER,
        file_may_set=file_may_set,
        access=access,
        default=str(default),
        unit=unit,
        minimum=bounds[0],
        maximum=bounds[1],
        text=text,
    )


def _listed(
    component: str,
    variable: str,
    default: str,
    options: tuple[str, ...],
    text: str,
    *,
    access: Access = Access.READ_WRITE,
    kind: VariableType = VariableType.MEMBER_LIST,
) -> Variable:
    return Variable(
        component=component,
        variable=variable,
        type=kind,
        access=access,
        default=default,
        options=options,
        known=_TOLD_BY_SOME if options is _MEASURANDS else (),
        text=text,
    )


_READ_ONLY: Final = Access.READ_ONLY
MOST_ROOTS: Final = 16  # root certificates that a CSMS may install; flash is finite
LONGEST_CHAIN_B: Final = 10_000  # security whitepaper §7: CertificateSignedMaxChainSize, never above

_TRANSACTIONS: Final = (
    _whole("TxCtrlr", "EVConnectionTimeOut", 60, "s", (1, _DAY_S), "time to plug in after the authorization"),
    _flag("TxCtrlr", "StopTxOnInvalidId", True, "a token refused during a transaction ends it, else it only pauses it"),
    _whole("TxCtrlr", "MaxEnergyOnInvalidId", 0, "Wh", (0, 1_000_000), "energy still given after a token was refused"),
    _flag("TxCtrlr", "StopTxOnEVSideDisconnect", True, "unplugging at the EV ends the transaction"),
    _listed(
        "TxCtrlr",
        "TxStartPoint",
        "PowerPathClosed",
        ("ParkingBayOccupancy", "EVConnected", "Authorized", "DataSigned", "PowerPathClosed", "EnergyTransfer"),
        "a transaction begins when the token is accepted and the EV is connected",
        access=_READ_ONLY,
    ),
    _listed(
        "TxCtrlr",
        "TxStopPoint",
        "EVConnected,Authorized",
        ("ParkingBayOccupancy", "EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer"),
        "a transaction ends when the EV or the authorization is gone",
        access=_READ_ONLY,
    ),
)

_AUTHORIZATION: Final = (
    _flag("AuthCtrlr", "Enabled", True, "false: everybody may charge"),
    _flag("AuthCtrlr", "AuthorizeRemoteStart", True, "a remote start asks about its token like a card does"),
    _flag("AuthCtrlr", "LocalAuthorizeOffline", True, "without the CSMS a cached token may charge"),
    _flag("AuthCtrlr", "LocalPreAuthorize", False, "a cached token starts without waiting for the CSMS"),
    _flag("AuthCtrlr", "OfflineTxForUnknownIdEnabled", False, "without the CSMS an unknown token may charge"),
    Variable(
        component="AuthCtrlr",
        variable="MasterPassGroupId",
        type=VariableType.STRING,
        maximum=36,
        text="tokens of this group end transactions and start none",
    ),
    _flag("LocalAuthListCtrlr", "Available", True, "there is a local authorization list", access=_READ_ONLY),
    _flag("LocalAuthListCtrlr", "Enabled", True, "use the list that the CSMS sent"),
    _whole(
        "LocalAuthListCtrlr",
        "Entries",
        2_000,
        None,
        (1, 20_000),
        "most tokens in the local list",
        access=_READ_ONLY,
        file_may_set=True,
    ),
    _whole("LocalAuthListCtrlr", "ItemsPerMessage", 500, None, (500, 500), "most in one message", access=_READ_ONLY),
    _flag("AuthCacheCtrlr", "Available", True, "there is an authorization cache", access=_READ_ONLY),
    _flag("AuthCacheCtrlr", "Enabled", True, "remember and use what the CSMS said about tokens"),
)

_METERING: Final = (
    _whole(
        "SampledDataCtrlr", "TxUpdatedInterval", 60, "s", (0, _DAY_S), "period of samples in a transaction, 0 = none"
    ),
    _listed("SampledDataCtrlr", "TxUpdatedMeasurands", _RUNNING, _MEASURANDS, "what a periodic sample contains"),
    _listed("SampledDataCtrlr", "TxStartedMeasurands", _ENERGY, _MEASURANDS, "what the first sample contains"),
    _whole("SampledDataCtrlr", "TxEndedInterval", 0, "s", (0, _DAY_S), "period of samples kept for the end, 0 = none"),
    _listed("SampledDataCtrlr", "TxEndedMeasurands", _ENERGY, _MEASURANDS, "what the last sample contains"),
    _whole(
        "SampledDataCtrlr",
        "TxEndedMaxValues",
        100,
        None,
        (2, 1_000),
        "most samples told at the end; those in between are thinned",
        access=_READ_ONLY,
        file_may_set=True,
    ),
    _whole(
        "AlignedDataCtrlr", "Interval", 0, "s", (0, _DAY_S), "grid of clock-aligned samples from midnight UTC, 0 = none"
    ),
    _listed("AlignedDataCtrlr", "Measurands", _ENERGY, _MEASURANDS, "what a clock-aligned sample contains"),
    _whole("AlignedDataCtrlr", "TxEndedInterval", 0, "s", (0, _DAY_S), "grid of samples kept for the end, 0 = none"),
    _listed("AlignedDataCtrlr", "TxEndedMeasurands", "", _MEASURANDS, "clock-aligned values given at the end"),
)

_LINK: Final = (
    _whole("OCPPCommCtrlr", "HeartbeatInterval", 300, "s", (0, _DAY_S), "time without a message until a heartbeat"),
    _whole(
        "OCPPCommCtrlr",
        "MessageTimeout",
        30,
        "s",
        (1, 600),
        "how long an answer may take",
        instance="Default",
        access=_READ_ONLY,
        file_may_set=True,
    ),
    _whole(
        "OCPPCommCtrlr",
        "MessageAttempts",
        5,
        None,
        (0, 1_000),
        "transmissions of a transaction message that the CSMS fails to process; 0 and 1 are one",
        instance="TransactionEvent",
    ),
    _whole(
        "OCPPCommCtrlr",
        "MessageAttemptInterval",
        60,
        "s",
        (0, _DAY_S),
        "wait before the next transmission, times the number of transmissions so far",
        instance="TransactionEvent",
    ),
    _whole("OCPPCommCtrlr", "RetryBackOffWaitMinimum", 3, "s", (1, 3_600), "first wait before a reconnect"),
    _whole("OCPPCommCtrlr", "RetryBackOffRandomRange", 5, "s", (0, 3_600), "most that chance adds to a wait"),
    _whole("OCPPCommCtrlr", "RetryBackOffRepeatTimes", 5, None, (0, 10), "how often the wait doubles"),
    _whole("OCPPCommCtrlr", "WebSocketPingInterval", 30, "s", (0, 3_600), "period of our pings, 0 = none"),
    _whole("OCPPCommCtrlr", "OfflineThreshold", 60, "s", (0, _DAY_S), "outage after which every status is reported"),
    _whole("OCPPCommCtrlr", "MinimumStatusDuration", 0, "s", (0, 3_600), "a status that is shorter is not reported"),
    _whole("OCPPCommCtrlr", "ResetRetries", 1, None, (0, 10), "retries of a restart that failed; 0: left to systemd"),
    _flag("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", True, "release the cable when it is unplugged at the EV"),
    _flag("OCPPCommCtrlr", "QueueAllMessages", False, "only transactions are queued", access=_READ_ONLY),
    _listed(
        "OCPPCommCtrlr",
        "FileTransferProtocols",
        "",
        ("FTP", "FTPS", "HTTP", "HTTPS", "SFTP"),
        "for logs and firmware",
        access=_READ_ONLY,
    ),
    _listed(
        "OCPPCommCtrlr",
        "NetworkConfigurationPriority",
        "1",
        ("1",),
        "order of the network profiles",
        kind=VariableType.SEQUENCE_LIST,
    ),
    _whole("OCPPCommCtrlr", "NetworkProfileConnectionAttempts", 3, None, (1, 1_000), "tries per network profile"),
    _whole("OCPPCommCtrlr", "ActiveNetworkProfile", 1, None, (1, 1), "profile in use", access=_READ_ONLY),
)

_ITEMS: Final = 100
_BYTES: Final = 65_536

_DEVICE: Final = tuple(
    _whole("DeviceDataCtrlr", variable, size, None, (0, size), text, instance=message, access=_READ_ONLY)
    for variable, size, text in (
        ("ItemsPerMessage", _ITEMS, "most items in one request"),
        ("BytesPerMessage", _BYTES, "most bytes in one request"),
    )
    for message in ("GetReport", "GetVariables", "SetVariables")
)

_CLOCK_AND_SECURITY: Final = (
    Variable(
        component="ClockCtrlr",
        variable="DateTime",
        type=VariableType.DATE_TIME,
        access=_READ_ONLY,
        persistent=False,
        text="the station's time, empty while unknown",
    ),
    _listed(
        "ClockCtrlr",
        "TimeSource",
        "NTP,Heartbeat",
        ("Heartbeat", "NTP", "GPS", "RealTimeClock", "MobileNetwork", "RadioTimeTransmitter"),
        "where the time comes from",
        access=_READ_ONLY,
        kind=VariableType.SEQUENCE_LIST,
    ),
    _whole("SecurityCtrlr", "SecurityProfile", 0, None, (0, 3), "security profile in use", access=_READ_ONLY),
    _whole(
        "SecurityCtrlr",
        "CertificateEntries",
        0,
        None,
        (0, MOST_ROOTS),
        "root certificates that were installed",
        access=_READ_ONLY,
    ),
    _flag(
        "SecurityCtrlr",
        "AdditionalRootCertificateCheck",
        False,
        "a new root for the CSMS must be signed by one that is there",
        access=_READ_ONLY,
    ),
    _whole(
        "SecurityCtrlr",
        "MaxCertificateChainSize",
        LONGEST_CHAIN_B,
        None,
        (0, LONGEST_CHAIN_B),
        "most characters of a certificate chain",
        access=_READ_ONLY,
    ),
    _whole(
        "SecurityCtrlr",
        "CertSigningWaitMinimum",
        30,
        "s",
        (1, _DAY_S),
        "time until a certificate is asked for again, doubled each time",
    ),
    _whole("SecurityCtrlr", "CertSigningRepeatTimes", 3, None, (0, 20), "how often it is asked for again"),
    Variable(
        component="SecurityCtrlr",
        variable="BasicAuthPassword",
        type=VariableType.STRING,
        access=Access.WRITE_ONLY,
        persistent=False,
        maximum=64,
        text="password for the CSMS; kept with the station's secrets, never shown",
    ),
    Variable(
        component="SecurityCtrlr",
        variable="OrganizationName",
        type=VariableType.STRING,
        maximum=64,
        text="organisation in a certificate request",
    ),
)

_SMART_CHARGING: Final = (
    _whole("SmartChargingCtrlr", "ProfileStackLevel", 10, None, (0, 10), "highest stack level", access=_READ_ONLY),
    _whole(
        "SmartChargingCtrlr",
        "PeriodsPerSchedule",
        100,
        None,
        (0, 100),
        "most periods in one schedule",
        access=_READ_ONLY,
    ),
    _whole(
        "SmartChargingCtrlr",
        "Entries",
        50,
        None,
        (0, 50),
        "most charging profiles installed",
        instance="ChargingProfiles",
        access=_READ_ONLY,
    ),
    _listed("SmartChargingCtrlr", "RateUnit", "A,W", ("A", "W"), "units of limits that are taken", access=_READ_ONLY),
    _flag(
        "SmartChargingCtrlr",
        "Phases3to1",
        False,
        "changes from three phases to one in a transaction",
        access=_READ_ONLY,
    ),
)

_RESERVATION: Final = (
    _flag("ReservationCtrlr", "Enabled", True, "reservations are taken"),
    _flag("ReservationCtrlr", "NonEvseSpecific", True, "any EVSE can be reserved, whichever", access=_READ_ONLY),
)

STANDARD_VARIABLES: Final[tuple[Variable, ...]] = (
    *_TRANSACTIONS,
    *_AUTHORIZATION,
    *_METERING,
    *_LINK,
    *_DEVICE,
    *_CLOCK_AND_SECURITY,
    *_SMART_CHARGING,
    *_RESERVATION,
)
"""In the order in which reports and ``status`` show them."""

BLINK_REPEAT: Final = ("ChargingStatusIndicator", "BlinkRepeat")
MOST_BLINKS: Final = 20  # ten seconds, after which nobody looks any more; house rule


def light_variables(evses: Iterable[EvseLayout]) -> tuple[Variable, ...]:
    """Return what can be set of the status lights; nothing where there are none.

    No light can be dimmed, since all are on/off lines: OCPP 1.6 LightIntensity is not among them.

    Source: OCPP 1.6 §9.1, BlinkRepeat.
    """
    if not any(each.has_light for each in evses):
        return ()
    text = "how often a status light blinks when a card or a press is accepted or refused"
    return (_whole(*BLINK_REPEAT, 0, None, (0, MOST_BLINKS), text),)
