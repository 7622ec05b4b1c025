"""The back ends that are played against, in the order in which they are played."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.acceptance.products import HERE, Product, from_npm, from_pypi

ARTHEXIS_PACKAGE: Final = "arthexis==2.0.0"
OCPP_RPC_PACKAGE: Final = "ocpp-rpc@2.2.1"
MOBILITY_PACKAGES: Final = ("ocpp==2.1.0", "websockets==15.0.1")
TS_OCPP_PACKAGE: Final = "@voltbras/ts-ocpp@2.7.3"


def _arthexis_16() -> Sequence[str]:
    return (str(from_pypi("arthexis", ARTHEXIS_PACKAGE)), str(HERE / "arthexis_desk.py"), "ocpp1.6")


def _arthexis_201() -> Sequence[str]:
    return (str(from_pypi("arthexis", ARTHEXIS_PACKAGE)), str(HERE / "arthexis_desk.py"), "ocpp2.0.1")


def _ocpp_rpc_16() -> Sequence[str]:
    return ("node", str(HERE / "ocpp_rpc_desk.mjs"), str(from_npm("ocpp-rpc", OCPP_RPC_PACKAGE)), "ocpp1.6")


def _ocpp_rpc_201() -> Sequence[str]:
    return ("node", str(HERE / "ocpp_rpc_desk.mjs"), str(from_npm("ocpp-rpc", OCPP_RPC_PACKAGE)), "ocpp2.0.1")


def _mobility_16() -> Sequence[str]:
    return (str(from_pypi("mobilityhouse", *MOBILITY_PACKAGES)), str(HERE / "mobility_desk.py"), "ocpp1.6")


def _mobility_201() -> Sequence[str]:
    return (str(from_pypi("mobilityhouse", *MOBILITY_PACKAGES)), str(HERE / "mobility_desk.py"), "ocpp2.0.1")


def _ts_ocpp() -> Sequence[str]:
    return ("node", str(HERE / "ts_ocpp_desk.mjs"), str(from_npm("ts-ocpp", TS_OCPP_PACKAGE)))


ARTHEXIS_URL: Final = "ws://127.0.0.1:{port}/ws/ocpp"
ARTHEXIS_CSMS: Final = 'trailing_slash = true\npassword_file = "csms-password"\nsecurity_profile = 1\n'

PRODUCTS: Final = (
    Product(
        name="arthexis-16",
        package=ARTHEXIS_PACKAGE,
        command=_arthexis_16,
        url=ARTHEXIS_URL,
        csms=ARTHEXIS_CSMS,
        cannot={
            "forgets_its_cards": "it has no ClearCache",
            "keeps_the_security_extension": "it sends none of its messages",
        },
        quirks=("MeterValues {'connectorId': 1, 'meterValue'",),
    ),
    Product(
        name="arthexis-201",
        package=ARTHEXIS_PACKAGE,
        command=_arthexis_201,
        ocpp="2.0.1",
        url=ARTHEXIS_URL,
        csms=ARTHEXIS_CSMS,
        cannot={
            "forgets_its_cards": "it has no ClearCache",
            "tells_of_its_transactions": "it has no GetTransactionStatus",
        },
    ),
    Product(name="ocpp-rpc-16", package=OCPP_RPC_PACKAGE, command=_ocpp_rpc_16),
    Product(name="ocpp-rpc-201", package=OCPP_RPC_PACKAGE, command=_ocpp_rpc_201, ocpp="2.0.1"),
    Product(
        name="ts-ocpp",
        package=TS_OCPP_PACKAGE,
        command=_ts_ocpp,
        csms="",
        cannot={
            "changes_its_password": "it looks at none",
            "keeps_the_security_extension": "it knows none of its messages",
        },
        quirks=("action is not valid",),
    ),
    Product(name="mobilityhouse-16", package=MOBILITY_PACKAGES[0], command=_mobility_16),
    Product(name="mobilityhouse-201", package=MOBILITY_PACKAGES[0], command=_mobility_201, ocpp="2.0.1"),
)
