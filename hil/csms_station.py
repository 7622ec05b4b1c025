"""What the CSMS answers a station in every version: registration, time, what it does not know, what it acknowledges.

The versions are what is left: their messages about transactions and tokens, and the words of their meter values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from hil.csms_desk import Desk
from hil.csms_peer import Outbox, answers, empty_answer
from hil.csms_readings import read_samples
from hil.ledger_rows import Arrival, Sample

_TWO_WORDS = {"unit_of_measure": "unitOfMeasure", "signed_meter_value": "signedMeterValue"}


class StationAnswers:
    """Stands before the `ocpp` package's charge point of one version in a class's bases.

    ``results`` are the package's answers of that version, ``acknowledged`` the messages that a CSMS only acknowledges.
    ``arrival`` is set by the peer before each frame.
    """

    results: ClassVar[Any]
    acknowledged: ClassVar[Sequence[str]]
    arrival: Arrival

    def __init__(self, identity: str, desk: Desk, outbox: Outbox) -> None:
        super().__init__(identity, outbox)  # type: ignore[call-arg]  # the package's, which has no types
        self.desk = desk

    def __init_subclass__(cls) -> None:
        """Let the version acknowledge what it only acknowledges."""
        super().__init_subclass__()
        for action in cls.acknowledged:
            setattr(cls, f"on_{action}", empty_answer(action, getattr(cls.results, action)))

    @answers("BootNotification")
    def on_boot(self, **_: Any) -> Any:
        return self.results.BootNotification(**self.desk.register(self.arrival))

    @answers("Heartbeat")
    def on_heartbeat(self, **_: Any) -> Any:
        return self.results.Heartbeat(current_time=self.desk.current_time())

    @answers("DataTransfer")
    def on_data_transfer(self, **_: Any) -> Any:
        return self.results.DataTransfer(status="UnknownVendorId")

    @answers("SignCertificate")
    def on_sign_certificate(self, **_: Any) -> Any:
        return self.results.SignCertificate(status="Rejected")


def samples_in(meter_value: Sequence[Mapping[str, Any]]) -> tuple[Sample, ...]:
    """Return the samples of a payload's meter values, whose names the package has changed."""
    return read_samples(
        [
            {"timestamp": each["timestamp"], "sampledValue": [_on_the_wire(value) for value in each["sampled_value"]]}
            for each in meter_value
        ]
    )


def known(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of ``info`` is known."""
    return {key: value for key, value in info.items() if value is not None}


def _on_the_wire(value: Mapping[str, Any]) -> dict[str, Any]:
    """Undo what the package did to the names of a sampled value that have two words; those of 1.6 have one."""
    return {_TWO_WORDS.get(key, key): member for key, member in value.items()}
