"""The signature over a firmware file: SHA-256 with RSA (PSS, else PKCS #1 v1.5) or ECDSA. Blocking: run it in a thread.

The whitepaper names RSA-PSS; back ends exist that sign with PKCS #1 v1.5, which is as good here. The file is read in
pieces, whatever its size.

Source: security whitepaper ed. 3 L01.FR.03, L01.FR.11; RFC 8017 §8, FIPS 186-5 §6.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256
from pathlib import Path
from typing import Final

CHUNK_B: Final = 1 << 20


class SignatureWrong(Exception):
    """The signature is not that of this file; the text says why."""


def check_signature(file: Path, signature_base64: str, certificate_pem: str) -> None:
    """Check that the owner of the certificate signed the file.

    Raises:
        SignatureWrong: it is no signature, or none of this file by this key. OSError: the file cannot be read.
    """
    try:
        signature = base64.b64decode("".join(signature_base64.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureWrong(f"it is not base64: {error}") from error
    digest = sha256()
    with file.open("rb") as content:
        while chunk := content.read(CHUNK_B):
            digest.update(chunk)
    _check_digest(digest.digest(), signature, certificate_pem)


def _check_digest(digest: bytes, signature: bytes, certificate_pem: str) -> None:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    hashed = Prehashed(hashes.SHA256())
    try:
        key = x509.load_pem_x509_certificate(certificate_pem.encode()).public_key()
    except ValueError as error:
        raise SignatureWrong(f"the certificate cannot be read: {error}") from error
    match key:
        case rsa.RSAPublicKey():
            pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO)
            for way in (pss, padding.PKCS1v15()):
                try:
                    key.verify(signature, digest, way, hashed)
                except InvalidSignature:
                    continue
                return
        case ec.EllipticCurvePublicKey():
            try:
                key.verify(signature, digest, ec.ECDSA(hashed))
            except InvalidSignature:
                pass
            else:
                return
        case _:
            raise SignatureWrong(f"a key of kind {type(key).__name__} cannot be used")
    raise SignatureWrong("it is not that of this file by this key")
