"""An operator in front of Arthexis: runs in the product's own Python and process, with its server and its functions.

``python arthexis_desk.py PROTOCOL PORT IDENTITY PASSWORD CARD`` makes the database, enrols one station that only knows
one card, and serves. Each line of standard input is a question in JSON, each line of standard output that begins with
``@`` its answer. Without a Redis the product sends commands only from within its own process, hence from here. Of 2.0.1
it books who charged and when; the registers are read from the events that it accepted and keeps.
"""
# ruff: noqa: E402  # Django has to be set up before its applications can be imported
# mypy: ignore-errors

import asyncio
import json
import os
import sys
import threading

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arthexis.settings")
os.environ["ARTHEXIS_DATA_DIR"] = os.environ["ACCEPTANCE_DIR"]
os.environ["ARTHEXIS_ALLOWED_HOSTS"] = "127.0.0.1"

import django

django.setup()

from apps.cards.models import CardCredential
from apps.ocpp.models import Charger, Connector, InboundProtocolRequest, MeterValue, OcppTransaction
from apps.ocpp.transport.operations import emit_v16_operation, emit_v201_operation
from asgiref.sync import sync_to_async
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.utils import timezone


def enrol(identity: str, password: str, card: str) -> None:
    """Make what an operator makes by hand before a station is set up."""
    now = timezone.now()
    Charger.objects.create(
        identity=identity,
        connection_token_hash=make_password(password),
        authorization_mode=Charger.AuthorizationMode.RESTRICTED,
        enrolled_at=now,
        authority_cutover_at=now,
    )
    CardCredential.objects.create(external_id=card, ocpp_id_tag=card)


IN_201 = sys.argv[1] == "ocpp2.0.1"
REGISTER = "Energy.Active.Import.Register"


def transactions() -> list[dict]:
    """Return every transaction, oldest first."""
    return [booked_201(each) for each in OcppTransaction.objects.order_by("pk")] if IN_201 else booked_16()


def booked_201(row: OcppTransaction) -> dict:
    """Return a transaction of 2.0.1 with the registers of its events."""
    accepted = InboundProtocolRequest.objects.filter(
        action="TransactionEvent", response_kind=InboundProtocolRequest.ResponseKind.RESULT
    )
    told = [each.request_payload for each in accepted.order_by("pk")]
    values = [
        value
        for event in sorted(told, key=lambda event: event["seqNo"])
        if event["transactionInfo"]["transactionId"] == row.remote_id
        for value in event.get("meterValue", [])
    ]
    registers = [
        float(sample["value"])
        for value in values
        for sample in value["sampledValue"]
        if sample.get("measurand", REGISTER) == REGISTER and "phase" not in sample
    ]
    return {
        "id": row.pk,
        "id_tag": row.id_tag,
        "meter_start": registers[0] if registers else None,
        "meter_stop": registers[-1] if registers else None,
        "over": row.stopped_at is not None,
        "samples": len(values),
    }


def booked_16() -> list[dict]:
    """Return every transaction, oldest first, with its samples' registers."""
    return [
        {
            "id": each.pk,
            "id_tag": each.id_tag,
            "meter_start": None if each.meter_start is None else float(each.meter_start),
            "meter_stop": None if each.meter_stop is None else float(each.meter_stop),
            "over": each.stopped_at is not None,
            "samples": MeterValue.objects.filter(transaction=each).count(),
        }
        for each in OcppTransaction.objects.order_by("pk")
    ]


def connector(number: int) -> int:
    """Return what the product calls a connector, of 2.0.1 the EVSE: there it counts 1001 for the first of EVSE 1."""
    return number // 1000 or number


def station() -> dict:
    """Return what the product knows of the station."""
    charger = Charger.objects.get()
    found = {connector(each.number): each.status for each in Connector.objects.filter(charger=charger)}
    return {"connected": charger.connected_at is not None, "connectors": found}


def seen(action: str) -> list[dict]:
    """Return what the station has sent of an action, oldest first."""
    return [each.request_payload for each in InboundProtocolRequest.objects.filter(action=action).order_by("pk")]


def complaints() -> list[str]:
    """Return the requests of the station that the product refused."""
    refused = InboundProtocolRequest.objects.filter(response_kind=InboundProtocolRequest.ResponseKind.ERROR)
    return [f"{each.action} {each.request_payload}: {each.error_code}" for each in refused.order_by("pk")]


def change(password: str) -> None:
    """Expect another password at the next connection."""
    Charger.objects.update(connection_token_hash=make_password(password))


async def answer(question: dict) -> object:
    """Answer one question."""
    match question["do"]:
        case "transactions":
            return await sync_to_async(transactions)()
        case "station":
            return await sync_to_async(station)()
        case "seen":
            return await sync_to_async(seen)(question["action"])
        case "complaints":
            return await sync_to_async(complaints)()
        case "password":
            return await sync_to_async(change)(question["password"])
        case "call":
            charger = await sync_to_async(Charger.objects.get)()
            emit = emit_v201_operation if IN_201 else emit_v16_operation
            done = await emit(charger=charger, action=question["action"], payload=question["payload"], timeout=20)
            await sync_to_async(done.refresh_from_db)()
            return {"status": done.status, "error": done.error_code, "answer": done.response_payload}


def listen(loop: asyncio.AbstractEventLoop) -> None:
    """Answer what standard input asks, until it ends."""
    for line in sys.stdin:
        try:
            said = asyncio.run_coroutine_threadsafe(answer(json.loads(line)), loop).result(30)
        except Exception as error:  # whatever the product raises is the answer
            said = {"failed": f"{type(error).__name__}: {error}"}
        print("@" + json.dumps(said), flush=True)
    os._exit(0)


def main(_protocol: str, port: str, identity: str, password: str, card: str) -> None:
    """Set up, serve, answer."""
    call_command("migrate", verbosity=0)
    enrol(identity, password, card)
    from arthexis.asgi import application
    from daphne.server import Server
    from twisted.internet import reactor

    def ready() -> None:
        print("@" + json.dumps("ready"), flush=True)
        threading.Thread(target=listen, args=(reactor._asyncioEventloop,), daemon=True).start()

    Server(
        application, endpoints=[f"tcp:port={port}:interface=127.0.0.1"], signal_handlers=False, ready_callable=ready
    ).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
