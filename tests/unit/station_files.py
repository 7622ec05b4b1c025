"""Station files for tests."""

from __future__ import annotations

SMALL = """\
[station]
id = "CP-0001"
vendor = "Example"
model = "Wallbox 11"

[csms]
url = "wss://csms.example.com/ocpp"

[[evse]]
id = 1
max_current_a = 16
pilot = { driver = "bench", socket = "pins.sock", evse = 1 }
contactor = { line = "GPIO17" }
mirror = { line = "GPIO27" }
meter = { driver = "modbus", profile = "eastron_sdm630", bus = "rs485" }

[bus.rs485]
port = "/dev/serial/by-id/usb-FTDI_RS485-if00"

[[reader]]
name = "front"
driver = "rdm6300"
port = "/dev/serial0"
"""

TWO_EVSES = """\
[station]
id = "CP-0002"
vendor = "Example"
model = "Wallbox 22"

[csms]
url = "ws://127.0.0.1:9000/ocpp"
version = "2.0.1"
allow_insecure = true

[clock]
driver = "bench"
dir = "."

[lines]
driver = "bench"
socket = "pins.sock"

[[evse]]
id = 1
phases = 1
max_current_a = 32
connector = "cType2"
tethered = true
pilot = { driver = "bench", socket = "pins.sock", evse = 1 }
contactor = { line = "evse1.contactor", active_high = false }
emergency_stop = { line = "evse1.stop" }
meter = { driver = "modbus", profile = "eastron_sdm630", bus = "rs485", unit = 1 }

[[evse]]
id = 2
pilot = { driver = "bench", socket = "pins.sock", evse = 2 }
contactor = { line = "evse2.contactor" }
mirror = { line = "evse2.mirror", kind = "no" }
lock = { line = "evse2.lock", feedback = { line = "evse2.locked", active_high = false } }
emergency_stop = { line = "evse2.stop" }
rcd = { line = "evse2.rcd", pull = "down" }
led = { line = "evse2.led" }
meter = { driver = "modbus", profile = "eastron_sdm630", bus = "rs485", unit = 2 }

[bus.rs485]
port = "meter.pty"
baud = 19200
parity = "E"
gap_ms = 20

[[reader]]
name = "front"
driver = "rdm6300"
port = "reader.pty"
evses = [2, 1]

[charging]
on_meter_loss = "suspend"
on_power_loss = "resume"
max_current_a = 32

[variables]
HeartbeatInterval = 300
"AuthCtrlr.AuthorizeRemoteStart" = true
OCPPCommCtrlr.WebSocketPingInterval = 30
MeterValuesSampledData = ["Energy.Active.Import.Register", "Voltage"]
"""
