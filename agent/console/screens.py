"""Screens of the command line: pure functions from the door's answers to text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from agent.model.evse import amperes

Answer = Mapping[str, Any]
TROUBLED: Final = 0.02  # share of a meter's requests from which its line is worth a word

_ENDS_SOON_DAYS = 60
_CSMS = {
    "connecting": "OFFLINE (dialling)",
    "waiting": "OFFLINE (dials again soon)",
}  # other states are their own words


def status_screen(status: Answer) -> str:
    """Return the living station at a glance."""
    station, csms, guard, store = status["station"], status["csms"], status["guard"], status["store"]
    lines = [
        f"{station['id']}  {station['vendor']} {station['model']}  charge-agent {station['version']}  "
        f"up {_duration(station['uptime_s'])}",
        f"  time    {station['utc'] or 'unknown'} ({station['time_quality']})",
        f"  CSMS    {_CSMS.get(csms['state'], csms['state'])} for {_duration(csms['since_s'])}"
        f"  OCPP {csms['version']}  {csms['url']}"
        + (f"\n          last error: {csms['error']}" if csms["error"] else ""),
        *_security_lines(status.get("security", {})),
        "  guard   "
        + (
            "connected" if guard["connected"] else f"NOT CONNECTED: nothing can charge ({guard['error'] or 'starting'})"
        ),
        f"  facts   {_count(store['waiting'])} waiting, {_count(store['dead'])} given up"
        + ("" if store["ok"] else "  STORE FAILING: new sessions are refused"),
    ]
    lines += _maintenance_lines(status.get("maintenance", {}))
    if store["recovered"]:
        lines.append(f"  JOURNAL RECOVERED: {store['recovered']}")
    if station["settings"] != "file":
        lines.append("  SETTINGS: the station file is broken, this is its last good copy:")
        lines += [f"    {problem}" for problem in station["problems"]]
    lines += [f"  FAULT   {fault}" for fault in status["faults"]]
    lines += _main_meter_lines(status)
    for evse in status["evses"]:
        lines.append("")
        lines += _evse_lines(evse)
        lines += _meter_lines(evse["id"], status.get("meters", ()))
    changed = [each for each in status["variables"] if each["source"] == "csms"]
    if changed:
        lines += ["", "Set by the CSMS (wins until the station file's own value changes):"]
        lines += [f"  {each['name']} = {each['value']}" for each in changed]
    return "\n".join(lines)


def _security_lines(security: Answer) -> list[str]:
    if not security:
        return []
    tls = security["tls"]
    how = f"{tls['version']} {tls['cipher']}" if tls else "no TLS"
    pending = security["pending_profile"]
    tried = "" if pending is None else f", {pending} is being tried"
    lines = [f"  secured profile {security['profile']}{tried}  {how}"]
    token = security.get("key_token")
    if token:
        lines.append(f"  keys    on token {token['token']}" + (f": {token['problem']}" if token["problem"] else ""))
    for each in security["certificates"]:
        left = each["days_left"]
        if left is not None and left <= _ENDS_SOON_DAYS:
            ends = f"ends in {left} days" if left >= 0 else f"HAS ENDED {-left} days ago"
            lines.append(f"  CERTIFICATE  {each['what']} {ends}")
    return lines


def _maintenance_lines(maintenance: Answer) -> list[str]:
    lines = []
    firmware, upload = maintenance.get("firmware"), maintenance.get("upload")
    if firmware:
        state = (firmware["state"] or firmware["phase"]).replace("_", " ")
        percent = f" {firmware['percent']} %" if firmware["phase"] == "install" else ""
        why = f": {firmware['why']}" if firmware["why"] else ""
        lines.append(f"  firmware update {'(signed) ' if firmware['signed'] else ''}{state}{percent}{why}")
    if upload:
        failed = f", failed {upload['failures']} times" if upload["failures"] else ""
        lines.append(f"  upload of {upload['filename']} is under way{failed}")
    return lines


def _count(number: int | None) -> str:
    return "unknown" if number is None else str(number)


def _guard(guard: Answer) -> str:
    return "connected" if guard["connected"] else f"NOT CONNECTED: nothing can charge ({guard['error'] or 'starting'})"


def _main_meter_lines(status: Answer) -> list[str]:
    main = status.get("main_meter")
    if main is None:
        return []
    wrong = f"  NO GOOD READING NOW: {main['error']}" if main["error"] and not main["fresh"] else ""
    return [f"  mains   {_reading(main)}{wrong}", *_meter_lines(0, status.get("meters", ()))]


def _reading(told: Answer) -> str:
    """Return a meter's newest reading and its age."""
    age = told["reading_age_s"]
    if age is None:
        return "no reading"
    amps = "/".join("-" if each is None else f"{each:.1f}" for each in told["current_a"])
    return f"{_number(told['energy_wh'], 0)} Wh  {_number(told['power_w'], 0)} W  {amps} A  ({age:.1f} s old)"


def _evse_lines(evse: Answer) -> list[str]:
    reading = _reading(evse)
    session = "no transaction"
    if evse["transaction"] is not None:
        named = f", CSMS calls it {evse['csms_id']}" if evse["csms_id"] else ""
        session = f"{_number(evse['session_wh'], 0)} Wh for {evse['token']}  (transaction {evse['transaction']}{named})"
    return [
        f"EVSE {evse['id']}  {evse['occupancy']}"
        + ("  RESERVED" if evse.get("reserved") else "")
        + ("" if evse["operative"] else "  OUT OF SERVICE (set by the CSMS)"),
        f"  pilot     {evse['pilot']}   offer {_amps(evse['offer_a'])}   contactor {evse['contactor']}"
        f"   lock {evse['lock']}" + ("   SIMPLIFIED VEHICLE" if evse.get("simplified") else ""),
        *_protection_lines(evse.get("protection")),
        f"  meter     {reading}",
        *_vehicle_lines(evse),
        f"  session   {session}",
        f"  why       {evse['why']}",
        *(f"  FAULT     {fault}" for fault in evse["faults"]),
        *_connector_lines(evse),
    ]


def _connector_lines(evse: Answer) -> list[str]:
    """Return a line for each of several connectors, and its faults where the EVSE does not tell them."""
    lines = []
    for each in evse.get("connectors", ()):
        what = "in use" if each["used"] and each["plugged"] else "WAITS ITS TURN" if each["waits"] else ""
        if not each["operative"]:
            what = "OUT OF SERVICE (set by the CSMS)"
        lines.append(
            f"  connector {each['id']}  pilot {each['pilot']}   contactor {each['contactor']}   lock {each['lock']}"
            f"   at most {_amps(each['max_current_a'])}   {what}".rstrip()
        )
        lines += [f"    FAULT   {fault}" for fault in each["faults"] if fault not in evse["faults"]]
    return lines


def _vehicle_lines(evse: Answer) -> list[str]:
    """Return one line where a part knows how full the vehicle's battery is."""
    soc_pct, age_s = evse.get("soc_pct"), evse.get("soc_age_s")
    if soc_pct is None:
        return []
    return [f"  vehicle   {soc_pct:g} % charged" + ("" if age_s is None else f"  ({age_s:.1f} s old)")]


def _protection_lines(told: Answer | None) -> list[str]:
    """Return one line where there is a self-test or a temperature."""
    if told is None:
        return []
    parts = ["unknown degC" if each is None else f"{each:.1f} degC" for each in told["temperature_c"]]
    if told["rcd_test"] != "none":
        age_s = told["rcd_test_age_s"]
        ago = "" if age_s is None else f" {_duration(age_s)} ago"
        why = f" ({told['rcd_test_why']})" if told["rcd_test_why"] else ""
        parts.append(f"RCD test {told['rcd_test']}{ago}{why}")
    return [f"  sensors   {'   '.join(parts)}"] if parts else []


def _meter_lines(evse_id: int, meters: Iterable[Answer]) -> list[str]:
    """Return a line for a meter whose line is not what it should be."""
    for each in meters:
        counters = each["counters"]
        if each["evse"] != evse_id or counters is None:
            continue
        failed = sum(counters[name] for name in ("timeouts", "checksums", "short", "foreign"))
        if failed and failed >= counters["requests"] * TROUBLED:
            text = f"{failed} of {counters['requests']} requests without a right answer"
            return [f"  line      {text}: charge-agent meter doctor --evse {evse_id}"]
    return []


def why_screen(why: Answer) -> str:
    """Return, per EVSE, why it charges at this current or not at all: one line per limit with its source."""
    lines: list[str] = []
    for evse in why["evses"]:
        connector = evse.get("connector")
        lines.append(f"EVSE {evse['id']}{'' if connector is None else f', connector {connector}'}: {evse['summary']}")
        width = max((len(each["source"]) for each in evse["limits"]), default=0)
        for each in evse["limits"]:
            current = "no charging" if each["current_a"] is None else amperes(each["current_a"])
            lines.append(f"  {each['source']:<{width}}  {current:<11}  {each['text']}")
        waiting = evse.get("waiting_connectors", ())
        lines += [f"EVSE {evse['id']}, connector {each}: no charging: it waits for the other one" for each in waiting]
    if why["variables"]:
        lines += ["", "Settings that differ from their default:"]
        width = max(len(each["name"]) for each in why["variables"])
        lines += [
            f"  {each['name']:<{width}}  {each['value']}  (from the {_source(each['source'])})"
            for each in why["variables"]
        ]
    return "\n".join(lines)


def _what(row: Answer) -> str:
    """Return what a fact is, and where, when that is not the first connector of its EVSE."""
    further = (row.get("connector") or 1) > 1
    return f"{row['kind']} at {row['evse']}.{row['connector']}" if further else str(row["kind"])


def queue_screen(queue: Answer) -> str:
    """Return the undelivered facts, oldest first."""
    waiting = queue["waiting"]
    head = f"{waiting} fact{'' if waiting == 1 else 's'} waiting, {queue['dead']} given up"
    if queue["source"] == "copy":
        head += "  (no agent runs: read from a copy of its journal)"
    rows = [("seq", "what", "transaction", "age", "attempts", "state", "last error")]
    rows += [
        (
            str(each["seq"]),
            _what(each),
            each["transaction"],
            "unknown" if each["age_s"] is None else _duration(each["age_s"]),
            str(each["attempts"]),
            each["state"],
            each["last_error"] or "",
        )
        for each in queue["rows"]
    ]
    return head if len(rows) == 1 else "\n".join([head, *_table(rows)])


def _table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _source(source: str) -> str:
    return {"csms": "CSMS", "file": "station file"}.get(source, source)


def _amps(current_a: float | None) -> str:
    return "none" if current_a is None else f"{current_a:.1f} A"


def _number(value: float | None, digits: int) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    whole = int(seconds)
    for size, unit, smaller, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {small_unit}"
    return f"{seconds:.0f} s"
