"""Whether TLS in this process can use keys on tokens: OpenSSL's provider `pkcs11` (latchset/pkcs11-provider).

Python's `ssl` has no word for providers; OpenSSL activates those of the file that OPENSSL_CONF names when the process
first uses it. A key is then a PEM file with nothing in it but the key's PKCS #11 URI, and OpenSSL asks the token.

Source: OpenSSL 3 OSSL_PROVIDER(3), config(5); pkcs11-provider, provider-pkcs11(7), "URIs in PEM files".
"""

from __future__ import annotations

import base64
from typing import Final

NAME: Final = b"pkcs11"
_LABEL: Final = "PKCS#11 PROVIDER URI"
_VERSION: Final = b"PKCS#11 Provider URI v1.0"
_SEQUENCE: Final = 0x30
_VISIBLE_STRING: Final = 0x1A
_UTF8_STRING: Final = 0x0C


def provider_active() -> bool | None:
    """Return whether the provider is active here; ``None`` where this Python's OpenSSL cannot be asked."""
    import _ssl
    import ctypes

    try:
        available = ctypes.CDLL(_ssl.__file__).OSSL_PROVIDER_available
    except (OSError, AttributeError):  # OpenSSL is inside Python itself, or has no providers
        return None
    available.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return bool(available(None, NAME))


def key_reference(uri: str) -> str:
    """Return the PEM file by which the provider finds a key. Nothing in it is secret."""
    body = _element(_VISIBLE_STRING, _VERSION) + _element(_UTF8_STRING, uri.encode())
    text = base64.encodebytes(_element(_SEQUENCE, body)).decode()
    return f"-----BEGIN {_LABEL}-----\n{text}-----END {_LABEL}-----\n"


def is_key_reference(pem: str) -> bool:
    """Return whether this PEM text is such a file."""
    return f"-----BEGIN {_LABEL}-----" in pem


def _element(tag: int, content: bytes) -> bytes:
    """Return one element in DER (X.690 §8.1.3)."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content
