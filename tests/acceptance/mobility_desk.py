"""An operator in front of a central system made of The Mobility House's ``ocpp``: routes, validation, both versions.

``python mobility_desk.py PROTOCOL PORT IDENTITY PASSWORD CARD``; questions and answers as in ``arthexis_desk.py``. The
book is ours; frames, names, types and the official schemas on both sides are the library's. Runs in an environment of
its own.
"""

# mypy: ignore-errors

import asyncio
import json
import os
import sys
import threading
from datetime import UTC, datetime
from http import HTTPStatus

import ocpp.exceptions
from ocpp.charge_point import camel_to_snake_case, remove_nones, serialize_as_dict, snake_to_camel_case
from ocpp.messages import unpack
from ocpp.routing import on
from ocpp.v16 import ChargePoint as Station16
from ocpp.v16 import call as call16
from ocpp.v16 import call_result as result16
from ocpp.v201 import ChargePoint as Station201
from ocpp.v201 import call as call201
from ocpp.v201 import call_result as result201
from websockets.asyncio.server import basic_auth, serve
from websockets.exceptions import ConnectionClosed

PROTOCOL, PORT, IDENTITY, PASSWORD, CARD = sys.argv[1:]
IN_201 = PROTOCOL == "ocpp2.0.1"
Station, call, result = (Station201, call201, result201) if IN_201 else (Station16, call16, result16)

book: dict[str, dict] = {}
connectors: dict[str, str] = {}
sent: list[tuple[str, dict]] = []
complaints: list[str] = []
password = PASSWORD


def verdict(tag: str) -> dict:
    """Return what the back end thinks of a card."""
    return {"status": "Accepted" if tag == CARD else "Invalid"}


def now() -> str:
    """Return the time as the library's users write it."""
    return datetime.now(UTC).isoformat()


def opened(name: str, **more: object) -> dict:
    """Return a transaction's row."""
    fresh = {"id": len(book) + 1, "id_tag": None, "meter_start": None, "meter_stop": None, "over": False, "samples": 0}
    return book.setdefault(name, fresh | more)


class Common(Station):
    """What is the same in both versions."""

    async def route_message(self, raw: str) -> None:
        """Note what came before the library judges it."""
        message = unpack(raw)
        if message.message_type_id == 2:
            sent.append((message.action, message.payload))
        await super().route_message(raw)

    async def _handle_call(self, msg):
        try:
            return await super()._handle_call(msg)
        except ocpp.exceptions.OCPPError as error:
            complaints.append(f"{msg.action} {msg.payload}: {error.code} {error.description} {error.details}")
            raise

    async def _send(self, message: str) -> None:
        if message.startswith("[4,"):
            complaints.append(message)
        await super()._send(message)

    @on("BootNotification")
    def boot(self, **_):
        return result.BootNotification(current_time=now(), interval=300, status="Accepted")

    @on("Heartbeat")
    def heartbeat(self):
        return result.Heartbeat(current_time=now())

    @on("DataTransfer")
    def data(self, **_):
        return result.DataTransfer(status="UnknownVendorId")

    @on("SecurityEventNotification")
    def security_event(self, **_):
        return result.SecurityEventNotification()

    @on("FirmwareStatusNotification")
    def firmware(self, **_):
        return result.FirmwareStatusNotification()

    @on("LogStatusNotification")
    def log(self, **_):
        return result.LogStatusNotification()


class BackEnd16(Common):
    """A central system of OCPP 1.6."""

    @on("Authorize")
    def authorize(self, id_tag):
        return result.Authorize(id_tag_info=verdict(id_tag))

    @on("StatusNotification")
    def status(self, connector_id, status, **_):
        connectors[str(connector_id)] = status
        return result.StatusNotification()

    @on("StartTransaction")
    def start_transaction(self, connector_id, id_tag, meter_start, timestamp, **_):
        row = opened(f"{connector_id} {timestamp}", id_tag=id_tag, meter_start=meter_start)
        return result.StartTransaction(transaction_id=row["id"], id_tag_info=verdict(id_tag))

    @on("StopTransaction")
    def stop_transaction(self, transaction_id, meter_stop, **_):
        for row in book.values():
            if row["id"] == transaction_id:
                row.update(meter_stop=meter_stop, over=True)
        return result.StopTransaction()

    @on("MeterValues")
    def meter_values(self, meter_value, transaction_id=None, **_):
        for row in book.values():
            if row["id"] == transaction_id:
                row["samples"] += len(meter_value)
        return result.MeterValues()

    @on("DiagnosticsStatusNotification")
    def diagnostics(self, **_):
        return result.DiagnosticsStatusNotification()


class BackEnd201(Common):
    """A CSMS of OCPP 2.0.1."""

    @on("Authorize")
    def authorize(self, id_token, **_):
        return result.Authorize(id_token_info=verdict(id_token["id_token"]))

    @on("StatusNotification")
    def status(self, evse_id, connector_status, **_):
        connectors[str(evse_id)] = connector_status
        return result.StatusNotification()

    @on("TransactionEvent")
    def event(self, event_type, transaction_info, id_token=None, meter_value=(), **_):
        row = opened(transaction_info["transaction_id"])
        if id_token is not None and row["id_tag"] is None:
            row["id_tag"] = id_token["id_token"]
        row["samples"] += len(meter_value)
        for sample in (each for value in meter_value for each in value["sampled_value"]):
            if sample.get("measurand", "Energy.Active.Import.Register") != "Energy.Active.Import.Register":
                continue
            if "phase" not in sample:
                row["meter_start"] = sample["value"] if row["meter_start"] is None else row["meter_start"]
                row["meter_stop"] = sample["value"]
        row["over"] = row["over"] or event_type == "Ended"
        return result.TransactionEvent(id_token_info=None if id_token is None else verdict(id_token["id_token"]))

    @on("MeterValues")
    def meter_values(self, **_):
        return result.MeterValues()

    @on("NotifyReport")
    def report(self, **_):
        return result.NotifyReport()

    @on("NotifyEvent")
    def notify_event(self, **_):
        return result.NotifyEvent()


connected: dict[str, Common] = {}


async def meet(websocket) -> None:
    """Serve one connection."""
    station = (BackEnd201 if IN_201 else BackEnd16)(IDENTITY, websocket)
    connected[IDENTITY] = station
    try:
        await station.start()
    except ConnectionClosed:
        pass
    finally:
        if connected.get(IDENTITY) is station:
            del connected[IDENTITY]


async def said_by_the_station(action: str, payload: dict) -> dict:
    """Send a CALL; return the answer as it was on the wire."""
    try:
        request = getattr(call, action)(**camel_to_snake_case(payload))
        answer = await connected[IDENTITY].call(request, suppress=False)
    except (KeyError, ocpp.exceptions.OCPPError, TimeoutError, ConnectionClosed) as error:
        return {"status": "refused", "error": type(error).__name__, "text": str(error)}
    return {"status": "completed", "answer": remove_nones(snake_to_camel_case(serialize_as_dict(answer)))}


async def answer(question: dict) -> object:
    """Answer one question."""
    global password
    match question["do"]:
        case "transactions":
            return list(book.values())
        case "station":
            return {"connected": IDENTITY in connected, "connectors": connectors}
        case "seen":
            return [payload for action, payload in sent if action == question["action"]]
        case "complaints":
            return complaints
        case "password":
            password = question["password"]
            return None
        case "call":
            return await said_by_the_station(question["action"], question["payload"])


def listen(loop: asyncio.AbstractEventLoop) -> None:
    """Answer what standard input asks, until it ends."""
    for line in sys.stdin:
        try:
            said = asyncio.run_coroutine_threadsafe(answer(json.loads(line)), loop).result(30)
        except Exception as error:  # whatever the library raises is the answer
            said = {"failed": f"{type(error).__name__}: {error}"}
        print("@" + json.dumps(said, default=float), flush=True)  # the library reads decimals
    os._exit(0)


async def main() -> None:
    """Serve, answer."""

    def known(name: str, secret: str) -> bool:
        return (name, secret) == (IDENTITY, password)

    async def gate(connection, request):
        if not request.path.endswith(f"/{IDENTITY}"):
            return connection.respond(HTTPStatus.NOT_FOUND, "unknown\n")
        return await basic_auth(check_credentials=known)(connection, request)

    async with serve(meet, "127.0.0.1", int(PORT), subprotocols=[PROTOCOL], process_request=gate) as server:
        print("@" + json.dumps("ready"), flush=True)
        threading.Thread(target=listen, args=(asyncio.get_running_loop(),), daemon=True).start()
        await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main())
