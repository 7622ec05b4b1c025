"""The station's variables, the 1.6 keys and the 2.0.1 device model fit together."""

from __future__ import annotations

import pytest

from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.variables import Access, VariableBook, VariableType, key_of
from tests.scenario.ocpp_desk import VERSIONS, dialect_of, view

REQUIRED_BY_2_0_1 = [
    "AlignedDataCtrlr.Interval",
    "AlignedDataCtrlr.Measurands",
    "AlignedDataCtrlr.TxEndedInterval",
    "AlignedDataCtrlr.TxEndedMeasurands",
    "AuthCtrlr.AuthorizeRemoteStart",
    "AuthCtrlr.LocalAuthorizeOffline",
    "AuthCtrlr.LocalPreAuthorize",
    "ChargingStation.AvailabilityState",
    "ChargingStation.Available",
    "ChargingStation.SupplyPhases",
    "ClockCtrlr.DateTime",
    "ClockCtrlr.TimeSource",
    "Connector#1.1.AvailabilityState",
    "Connector#1.1.Available",
    "Connector#1.1.ConnectorType",
    "Connector#1.1.SupplyPhases",
    "DeviceDataCtrlr.BytesPerMessage[GetReport]",
    "DeviceDataCtrlr.BytesPerMessage[GetVariables]",
    "DeviceDataCtrlr.BytesPerMessage[SetVariables]",
    "DeviceDataCtrlr.ItemsPerMessage[GetReport]",
    "DeviceDataCtrlr.ItemsPerMessage[GetVariables]",
    "DeviceDataCtrlr.ItemsPerMessage[SetVariables]",
    "EVSE#1.AvailabilityState",
    "EVSE#1.Available",
    "EVSE#1.Power",
    "EVSE#1.SupplyPhases",
    "OCPPCommCtrlr.ActiveNetworkProfile",
    "OCPPCommCtrlr.FileTransferProtocols",
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]",
    "OCPPCommCtrlr.MessageAttempts[TransactionEvent]",
    "OCPPCommCtrlr.MessageTimeout[Default]",
    "OCPPCommCtrlr.NetworkConfigurationPriority",
    "OCPPCommCtrlr.NetworkProfileConnectionAttempts",
    "OCPPCommCtrlr.OfflineThreshold",
    "OCPPCommCtrlr.ResetRetries",
    "OCPPCommCtrlr.UnlockOnEVSideDisconnect",
    "SampledDataCtrlr.TxEndedInterval",
    "SampledDataCtrlr.TxEndedMeasurands",
    "SampledDataCtrlr.TxStartedMeasurands",
    "SampledDataCtrlr.TxUpdatedInterval",
    "SampledDataCtrlr.TxUpdatedMeasurands",
    "SecurityCtrlr.CertificateEntries",
    "SecurityCtrlr.OrganizationName",
    "SecurityCtrlr.SecurityProfile",
    "TxCtrlr.EVConnectionTimeOut",
    "TxCtrlr.StopTxOnEVSideDisconnect",
    "TxCtrlr.StopTxOnInvalidId",
    "TxCtrlr.TxStartPoint",
    "TxCtrlr.TxStopPoint",
]  # OCPP 2.0.1 appendix 3, required for the core profile, with the errata

REQUIRED_BY_1_6 = [
    "AuthorizeRemoteTxRequests",
    "ClockAlignedDataInterval",
    "ConnectionTimeOut",
    "ConnectorPhaseRotation",
    "GetConfigurationMaxKeys",
    "HeartbeatInterval",
    "LocalAuthorizeOffline",
    "LocalPreAuthorize",
    "MeterValuesAlignedData",
    "MeterValuesSampledData",
    "MeterValueSampleInterval",
    "NumberOfConnectors",
    "ResetRetries",
    "StopTransactionOnInvalidId",
    "StopTxnAlignedData",
    "StopTxnSampledData",
    "SupportedFeatureProfiles",
    "TransactionMessageAttempts",
    "TransactionMessageRetryInterval",
    "UnlockConnectorOnEVSideDisconnect",
]  # OCPP 1.6 §9.1 with errata 3.80


def book(version: str) -> VariableBook:
    definitions = (*STANDARD_VARIABLES, *dialect_of(version).variables())
    return VariableBook(definitions, presets={}, stored=())


def test_every_default_is_a_value_of_its_own_variable() -> None:
    for version in VERSIONS:
        for entry in book(version).entries():
            definition = entry.definition
            if definition.default or definition.type in (VariableType.MEMBER_LIST, VariableType.STRING):
                assert definition.normalise(definition.default) == definition.default, definition
            assert definition.text


def test_no_standard_variable_is_defined_twice() -> None:
    keys = [key_of(each.ref) for each in STANDARD_VARIABLES]
    assert len(set(keys)) == len(keys)


@pytest.mark.req("OCPP 2.0.1 appendix 3")
@pytest.mark.parametrize("name", REQUIRED_BY_2_0_1)
def test_what_2_0_1_requires_is_there(name: str) -> None:
    key = dialect_of("2.0.1").variable_key(name)
    assert key == name.casefold()
    assert key in {key_of(each.definition.ref) for each in book("2.0.1").entries()}


@pytest.mark.req("OCPP 1.6 §9.1")
@pytest.mark.parametrize("name", REQUIRED_BY_1_6)
def test_what_1_6_requires_is_there(name: str) -> None:
    key = dialect_of("1.6").variable_key(name.upper())
    assert key in {key_of(each.definition.ref) for each in book("1.6").entries()}


@pytest.mark.parametrize(
    ("version", "name", "key"),
    [
        ("1.6", "HeartbeatInterval", "ocppcommctrlr.heartbeatinterval"),
        ("1.6", " transactionmessageattempts", "ocppcommctrlr.messageattempts[transactionevent]"),
        ("1.6", "OCPPCommCtrlr.HeartbeatInterval", None),
        ("1.6", "AuthorizationKey", "securityctrlr.basicauthpassword"),
        ("2.0.1", "OCPPCommCtrlr.HeartbeatInterval", "ocppcommctrlr.heartbeatinterval"),
        ("2.0.1", "OCPPCommCtrlr.MessageAttempts[TransactionEvent]", "ocppcommctrlr.messageattempts[transactionevent]"),
        ("2.0.1", "OCPPCommCtrlr.MessageAttempts(TransactionEvent)", "ocppcommctrlr.messageattempts[transactionevent]"),
        ("2.0.1", "OCPPCommCtrlr.MessageTimeout", "ocppcommctrlr.messagetimeout[default]"),
        ("2.0.1", "DeviceDataCtrlr.ItemsPerMessage", None),
        ("2.0.1", "EVSE#2.Power", "evse#2.power"),
        ("2.0.1", "EVSE#3.Power", None),
        ("2.0.1", "HeartbeatInterval", None),
        ("2.0.1", "", None),
    ],
)
def test_a_variable_is_found_in_the_versions_own_words(version: str, name: str, key: str | None) -> None:
    assert dialect_of(version).variable_key(name) == key


def test_stop_data_is_empty_by_default_only_in_1_6() -> None:
    assert book("1.6").members("SampledDataCtrlr", "TxEndedMeasurands") == ()
    assert book("2.0.1").members("SampledDataCtrlr", "TxEndedMeasurands") == ("Energy.Active.Import.Register",)


def test_live_variables_are_read_only_variables_of_the_book() -> None:
    for version in VERSIONS:
        live = dialect_of(version).live_variables((view(1), view(2)), True, 0.0)
        known = {key_of(each.definition.ref): each.definition for each in book(version).entries()}
        assert all(known[key].access is Access.READ_ONLY for key in live)
        assert bool(live) == (version == "2.0.1")


def test_the_power_of_an_evse_is_its_upper_limit() -> None:
    (power,) = [each for each in dialect_of("2.0.1").variables() if (each.variable, each.evse_id) == ("Power", 2)]
    assert (power.maximum, power.unit) == (22_080.0, "W")
