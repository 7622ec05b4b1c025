# ruff: noqa: E501  # one case, one line
"""A board, a station file over it, what is done to them, and every problem that is said."""

from __future__ import annotations

STATION = """\
board = "./board.toml"

[station]
id = "CP-0001"
vendor = "Example"
model = "Wallbox 11"
state_dir = "state"

[csms]
url = "wss://csms.example.com/ocpp"

[[evse]]
id = 1
"""
BOARD = """\
[board]
title = "Test board"
lines = ["GPIO17", "GPIO27", "GPIO22", "GPIO23"]

[limits]
max_current_a = 16
phases = 3
evses = 2

[aliases]
relay1 = "GPIO17"
input1 = "GPIO22"

[reserved]
GPIO23 = "the fan is there"

[lines]
driver = "gpiod"

[guard]
scan_ms = 20

[[evse]]
id = 1
max_current_a = 13
contactor = { line = "relay1", active_high = false }
mirror = { line = "input1" }
pilot = { driver = "bench", socket = "/run/pins.sock", evse = 1 }

[[evse]]
id = 2
contactor = { line = "GPIO27" }
pilot = { driver = "bench", socket = "/run/pins.sock", evse = 2 }
"""

REFUSED = [
    # station file, board file, more of the station file, what is said
    (("id = 1\n", "id = 1\nmax_current_a = 63\n"), None, "", ["station.toml:14: evse[1].max_current_a 63 A is above the 16 A of the board 'board.toml'; write max_current_a = 16, or use another board"]),
    (None, ("max_current_a = 13", "max_current_a = 20"), "", ["board.toml:25: evse[1].max_current_a 20 A is above the 16 A of the board 'board.toml'; write max_current_a = 16, or use another board"]),
    (None, ("phases = 3", "phases = 1"), "", ["station.toml:12: evse[1].phases 3 phases is above the 1 phases of the board 'board.toml'; write phases = 1, or use another board"]),
    (None, None, 'rcd = { line = "GPIO71" }\n', ["station.toml:14: evse[1].rcd.line 'GPIO71' is no line of the board 'board.toml'; did you mean"]),
    (None, None, 'rcd = { line = "pinctrl-bcm2712:17" }\n', ["station.toml:14: evse[1].rcd.line 'pinctrl-bcm2712:17' is no line of the board 'board.toml'; it has relay1, input1, GPIO17, GPIO27, GPIO22, GPIO23"]),
    (None, None, 'rcd = { line = "P9_12" }\n', ["station.toml:14: evse[1].rcd.line 'P9_12' is no line of the board 'board.toml'; it has relay1, input1, GPIO17, GPIO27, GPIO22, GPIO23"]),
    (None, None, 'rcd = { line = "pinctrl-rp1:23" }\n', ["station.toml:14: evse[1].rcd.line 'pinctrl-rp1:23' is not free on the board 'board.toml': the fan is there"]),
    (None, None, 'rcd = { line = "GPIO17" }\n', ["station.toml:14: evse[1].rcd.line 'GPIO17' is used by evse[1].contactor already"]),
    (None, None, 'rcd = { line = "pinctrl-bcm2711:17" }\n', ["station.toml:14: evse[1].rcd.line 'pinctrl-bcm2711:17' is used by evse[1].contactor already"]),
    (None, ('line = "GPIO27"', 'line = "relay1"'), "\n[[evse]]\nid = 2\n", ["board.toml:32: evse[2].contactor.line 'GPIO17' is used by evse[1].contactor already"]),
    (None, None, "\n[[evse]]\nid = 2\n\n[[evse]]\nid = 3\n", ["station.toml:18: evse[3] has no pilot, expected control pilot and proximity", "station.toml:18: evse[3] has no contactor, expected coil of the main contactor", "station.toml:18: evse[3] is EVSE number 3, the board 'board.toml' has outputs for 2"]),
    (None, ("scan_ms = 20", "scan_ms = 200"), "", ["board.toml:21: guard.scan_ms 200 is outside 2-30 ms"]),
    (None, ('driver = "bench"', 'driver = "bensh"'), "", ["board.toml:28: evse[1].pilot.driver 'bensh' is no power_path driver, expected one of"]),
    (None, ('{ driver = "bench", socket = "/run/pins.sock", evse = 1 }', '{ driver = "linux", adc = "iio" }'), "", ["board.toml:28: evse[1].pilot has no pwm", "board.toml:28: evse[1].pilot has no adc_device", "board.toml:28: evse[1].pilot has no adc_at_plus_12_v", "board.toml:28: evse[1].pilot has no adc_at_minus_12_v"]),
    (None, ('{ driver = "bench", socket = "/run/pins.sock", evse = 1 }', '{ driver = "linux", pwm = "a.pwm", adc = "iio", adc_device = "b", pilot_channel = 0, adc_at_plus_12_v = 2.8, adc_at_minus_12_v = 0.4 }'), "", ["board.toml:28: evse[1].pilot has no proximity contact, which a socket needs; a fixed cable is tethered = true"]),
    (None, ("[guard]", "[csms]\nurl = 1\n[guard]"), "", ["board.toml:20: csms is a station's, not a board's"]),
    (None, ('title = "Test board"', ""), "", ["board.toml:1: board has no title, expected name of the board, for people"]),
    (None, ("max_current_a = 16", "max_current_a = 160"), "", ["board.toml:6: limits.max_current_a 160.0 is outside 6-80 A"]),
    (None, ("[limits]", "[limit]"), "", ["board.toml:5: limit is unknown; did you mean 'limits'?"]),
    (None, ("[aliases]\nrelay1 = ", "[aliases]\nrelay1 = 1 #"), "", ["board.toml:11: aliases.relay1 1 is a whole number, expected text"]),
    (None, ("[board]", "[board"), "", ["station.toml:1: board 'board.toml' cannot be used", "board.toml:1: is no TOML: expected"]),
    (("./board.toml", "raspberry-pi-4-relay-hut"), None, "", ["station.toml:1: board 'raspberry-pi-4-relay-hut' is no board, expected one of"]),
    (("./board.toml", "./bored.toml"), None, "", ["station.toml:1: board bored.toml cannot be read: No such file or directory"]),
    (('"./board.toml"', "7"), None, "", ["station.toml:1: board 7 is a whole number, expected the name of a board, or a path"]),
    (("[station]\n", '[station]\nboard = "x"\n'), None, "", ["station.toml:4: station.board is given twice; once is enough, above the first table or in [station]"]),
]  # fmt: skip
