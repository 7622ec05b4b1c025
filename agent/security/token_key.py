"""A private key that stays on its token, as `cryptography` sees one: it signs, and can be shown to nobody.

Source: PKCS #11 v2.40 §2.3.6 (CKM_ECDSA: r and s side by side), §2.1.6 (CKM_RSA_PKCS); RFC 8017 §9.2; RFC 3279 §2.2.3.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

_WRAPPED_POINT_B: Final = 67  # tag, length and the 65 bytes of an uncompressed point of P-256


class EllipticCurveTokenKey:
    """A P-256 key on a token. It signs SHA-256 with ECDSA."""

    def __init__(self, public: ec.EllipticCurvePublicKey, private: Any) -> None:
        self._public = public
        self._private = private

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return its public key."""
        return self._public

    def sign(self, content: bytes, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return the token's signature, DER. Raises ``UnsupportedAlgorithm``, ``pkcs11.PKCS11Error``."""
        from pkcs11 import Mechanism

        if not isinstance(signature_algorithm.algorithm, hashes.SHA256):
            raise UnsupportedAlgorithm("a key on a token signs SHA-256 only")
        both: bytes = self._private.sign(hashlib.sha256(content).digest(), mechanism=Mechanism.ECDSA)
        half = len(both) // 2
        return encode_dss_signature(int.from_bytes(both[:half]), int.from_bytes(both[half:]))


class RsaTokenKey:
    """An RSA key on a token. It signs SHA-256 with PKCS #1 v1.5."""

    def __init__(self, public: rsa.RSAPublicKey, private: Any) -> None:
        self._public = public
        self._private = private

    def public_key(self) -> rsa.RSAPublicKey:
        """Return its public key."""
        return self._public

    def sign(self, content: bytes, fill: padding.AsymmetricPadding, algorithm: hashes.HashAlgorithm) -> bytes:
        """Return the token's signature. Raises ``UnsupportedAlgorithm``, ``pkcs11.PKCS11Error``."""
        from pkcs11 import Mechanism

        if not isinstance(fill, padding.PKCS1v15) or not isinstance(algorithm, hashes.SHA256):
            raise UnsupportedAlgorithm("a key on a token signs SHA-256 with PKCS #1 v1.5 only")
        signature: bytes = self._private.sign(content, mechanism=Mechanism.SHA256_RSA_PKCS)
        return signature


ec.EllipticCurvePrivateKey.register(EllipticCurveTokenKey)
rsa.RSAPrivateKey.register(RsaTokenKey)


def signing_key(public: Any, private: Any) -> EllipticCurveTokenKey | RsaTokenKey:
    """Return the pair of a token as one key that signs. Raises ``ValueError``: its public half makes no sense."""
    from pkcs11 import Attribute, KeyType

    if public.key_type == KeyType.RSA:
        modulus = int.from_bytes(public[Attribute.MODULUS])
        exponent = int.from_bytes(public[Attribute.PUBLIC_EXPONENT])
        return RsaTokenKey(rsa.RSAPublicNumbers(exponent, modulus).public_key(), private)
    point: bytes = public[Attribute.EC_POINT]
    if len(point) == _WRAPPED_POINT_B:  # as the standard wants it: an OCTET STRING around the point; some give it bare
        point = point[2:]
    return EllipticCurveTokenKey(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point), private)
