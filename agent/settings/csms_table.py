"""The table of the back end: where it is, and how station and back end believe each other."""

from __future__ import annotations

from typing import Final

from agent.settings.key_store import KEY_STORE, PKCS11
from agent.settings.schema import Field, Kind, Table

CSMS: Final = Table(
    name="csms",
    help="The back end.",
    required=True,
    fields=(
        Field(
            name="url",
            kind=Kind.TEXT,
            required=True,
            maximum=512,
            help="address without the station's identity, wss://host/path",
            example="wss://csms.example.com/ocpp",
        ),
        Field(
            name="fallback_urls",
            kind=Kind.TEXTS,
            default=(),
            maximum=512,
            help="further addresses, tried in this order where the one before does not answer",
            example=["wss://csms2.example.com/ocpp"],
        ),
        Field(
            name="security_profile",
            kind=Kind.WHOLE,
            choices=(0, 1, 2, 3),
            help="0: none, 1: password over ws://, 2: password over TLS, 3: client certificate over TLS; without it"
            " what the address and the credentials amount to",
            example=2,
        ),
        Field(name="version", kind=Kind.TEXT, default="1.6", choices=("1.6", "2.0.1"), help="OCPP version"),
        Field(
            name="allow_insecure", kind=Kind.FLAG, default=False, help="allow ws://, which anybody can read and forge"
        ),
        Field(
            name="root_certificates",
            kind=Kind.PATHS,
            default=(),
            existing=True,
            help="PEM files of the roots to trust instead of the system's",
            example=["csms-root.pem"],
        ),
        Field(
            name="password_file",
            kind=Kind.PATH,
            existing=True,
            help="file with the password for HTTP Basic authentication; never in this file",
            example="csms-password",
        ),
        Field(
            name="password_encoding",
            kind=Kind.TEXT,
            default="literal",
            choices=("literal", "hex"),
            help="how the password is to be read, also an AuthorizationKey of the CSMS; hex: pairs of digits are bytes",
        ),
        Field(
            name="client_certificate",
            kind=Kind.PATH,
            existing=True,
            help="PEM file with the station's certificate where it was made elsewhere, the station's own first",
            example="client.pem",
        ),
        Field(
            name="client_key",
            kind=Kind.PATH,
            existing=True,
            help="PEM file with its private key",
            example="client.key",
        ),
        Field(
            name="key_type",
            kind=Kind.TEXT,
            default="ec",
            choices=("ec", "rsa"),
            help="private keys that the station makes: ec is P-256, rsa has 2048 bits",
        ),
        KEY_STORE,
        Field(
            name="allow_wildcards",
            kind=Kind.FLAG,
            default=True,
            help="believe a server certificate for *.example.com",
        ),
        Field(
            name="additional_root_check",
            kind=Kind.FLAG,
            default=False,
            help="a root that the CSMS installs must be signed by one that is there (AdditionalRootCertificateCheck)",
        ),
        Field(
            name="security_events",
            kind=Kind.FLAG,
            default=True,
            help="tell the CSMS of security events; they are logged on the station in any case",
        ),
        Field(
            name="trailing_slash",
            kind=Kind.FLAG,
            default=False,
            help="write a / after the identity, too; a few servers want it",
        ),
    ),
    tables=(PKCS11,),
)
