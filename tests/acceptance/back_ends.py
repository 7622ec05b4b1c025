"""The back ends that are played against, in the order in which they are played."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.acceptance.products import HERE, Product, from_npm, from_pypi

ARTHEXIS_PACKAGE: Final = "arthexis==2.0.0"
OCPP_RPC_PACKAGE: Final = "ocpp-rpc@2.2.1"
TS_OCPP_PACKAGE: Final = "@voltbras/ts-ocpp@2.7.3"


def _arthexis() -> Sequence[str]:
    return (str(from_pypi("arthexis", ARTHEXIS_PACKAGE)), str(HERE / "arthexis_desk.py"))


def _ocpp_rpc_16() -> Sequence[str]:
    return ("node", str(HERE / "ocpp_rpc_desk.mjs"), str(from_npm("ocpp-rpc", OCPP_RPC_PACKAGE)), "ocpp1.6")


def _ocpp_rpc_201() -> Sequence[str]:
    return ("node", str(HERE / "ocpp_rpc_desk.mjs"), str(from_npm("ocpp-rpc", OCPP_RPC_PACKAGE)), "ocpp2.0.1")


def _ts_ocpp() -> Sequence[str]:
    return ("node", str(HERE / "ts_ocpp_desk.mjs"), str(from_npm("ts-ocpp", TS_OCPP_PACKAGE)))


PRODUCTS: Final = (
    Product(
        name="arthexis",
        package=ARTHEXIS_PACKAGE,
        command=_arthexis,
        url="ws://127.0.0.1:{port}/ws/ocpp",
        csms='trailing_slash = true\npassword_file = "csms-password"\nsecurity_profile = 1\n',
        cannot={
            "forgets_its_cards": "it has no ClearCache",
            "keeps_the_security_extension": "it sends none of its messages",
        },
        quirks=("MeterValues {'connectorId': 1, 'meterValue'",),
    ),
    Product(name="ocpp-rpc-16", package=OCPP_RPC_PACKAGE, command=_ocpp_rpc_16),
    Product(name="ocpp-rpc-201", package=OCPP_RPC_PACKAGE, command=_ocpp_rpc_201, ocpp="2.0.1"),
    Product(
        name="ts-ocpp",
        package=TS_OCPP_PACKAGE,
        command=_ts_ocpp,
        csms="",
        cannot={"keeps_the_security_extension": "it knows none of its messages"},
        quirks=("action is not valid",),
    ),
)
