"""Which secrets a station may hold, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CSMS_PASSWORD: Final = "csms-password"
CLIENT_KEY: Final = "client-key"
CLIENT_CERTIFICATE: Final = "client-certificate"
TOKEN_PIN: Final = "token-pin"
NAMES: Final[Mapping[str, str]] = {
    CSMS_PASSWORD: "password for the CSMS (HTTP Basic authentication)",
    CLIENT_KEY: "private key of a client certificate made elsewhere, PEM",
    CLIENT_CERTIFICATE: "client certificate made elsewhere, PEM, the station's own first",
    TOKEN_PIN: "user PIN of the PKCS #11 token that keeps the station's key",
}
