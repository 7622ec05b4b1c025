"""One deed on a key token, in a process of its own: ``python -m agent.security.token_work``, work in, answer out.

A PIN is shown to the token once per process, and not at all where the token says that only one try is left. A key is
made sensitive and not extractable, and looked at afterwards: one that could leave is destroyed again.

Source: PKCS #11 v2.40 §3.2 (flags of a token), §4.9 (attributes of private keys), §2.3.6 (ECDSA), §2.1.6 (RSA).
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from agent.security.token_words import TokenAnswer, TokenDeed, TokenError, TokenTrouble, TokenWork, key_label

CURVE: Final = "secp256r1"
RSA_BITS: Final = 2048
_EXPORTED: Final = "the token made a key that could leave it (not sensitive, or extractable): it was destroyed"


def main() -> int:
    """Do what stands on standard input; the answer is the only thing on standard output."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # where a module crashes, the PIN is in this memory
    answers = os.dup(1)
    os.dup2(2, 1)  # what a module prints goes to the log, not between our words
    work = msgspec.json.decode(sys.stdin.buffer.read(), type=TokenWork)
    try:
        answer = perform(work)
    except TokenError as error:
        answer = TokenAnswer(trouble=error.trouble, text=str(error))
    with os.fdopen(answers, "wb") as out:
        out.write(msgspec.json.encode(answer))
    return 0


def perform(work: TokenWork) -> TokenAnswer:
    """Do one deed. Raises ``TokenError``."""
    try:
        import pkcs11
    except ImportError as error:
        text = f"python-pkcs11 is not installed ({error}), expected pip install 'charge-agent[pkcs11]'"
        raise TokenError(TokenTrouble.NO_LIBRARY, text) from error
    try:
        library = pkcs11.lib(work.module)
    except RuntimeError as error:  # PKCS11Error is one
        text = f"module {work.module} cannot be loaded: {_why(error)}; expected the token's PKCS #11 library"
        raise TokenError(TokenTrouble.NO_MODULE, text) from error
    token = _find_token(library, work)
    with session_of(token, work) as session:
        match work.deed:
            case TokenDeed.CHECK:
                if work.key_id:
                    _private_key(session, work.key_id, work.token)
                return TokenAnswer()
            case TokenDeed.MAKE:
                return _make(session, work)
            case TokenDeed.KEEP:
                return _keep(session, work)
            case TokenDeed.DELETE:
                deleted, remarks = _delete(session, work)
                return TokenAnswer(deleted=deleted, remarks=remarks)


# ---- token and session -----------------------------------------------------------------------------------------------


def _find_token(library: Any, work: TokenWork) -> Any:
    from pkcs11 import PKCS11Error

    wanted, seen, fitting = work.token, [], []
    try:
        slots = library.get_slots(token_present=True)
    except PKCS11Error as error:
        raise TokenError(TokenTrouble.NO_MODULE, f"module {work.module} lists no slots: {_why(error)}") from error
    for slot in slots:
        try:
            token = slot.get_token()
        except PKCS11Error:  # pulled at this moment, or not one that the module knows
            continue
        is_set = {
            "label": token.label,
            "serial": _text(token.serial),
            "manufacturer": _text(token.manufacturer_id),
            "model": _text(token.model),
            "slot_id": slot.slot_id,
        }
        if not token.label and not is_set["serial"]:  # a slot with room for a token
            continue
        seen.append(f"{is_set['label']!r} (serial {is_set['serial'] or 'unknown'}, slot {slot.slot_id})")
        if all(getattr(wanted, name) in (None, value) for name, value in is_set.items()):
            fitting.append(token)
    listed = ", ".join(seen) or "none"
    if not fitting:
        text = f"token {wanted} is not there; module {work.module} shows {listed}"
        raise TokenError(TokenTrouble.NO_TOKEN, text)
    if len(fitting) > 1:
        text = f"token {wanted} fits {len(fitting)} tokens of {listed}; expected one: name its serial"
        raise TokenError(TokenTrouble.SEVERAL_TOKENS, text)
    return fitting[0]


@contextmanager
def session_of(token: Any, work: TokenWork) -> Iterator[Any]:
    """Log in, once. Raises ``TokenError``."""
    from pkcs11 import PKCS11Error, exceptions
    from pkcs11.constants import TokenFlag

    where = f"token {work.token}"
    flags = token.flags
    if flags & TokenFlag.USER_PIN_LOCKED:
        raise TokenError(TokenTrouble.PIN_LOCKED, f"{where}: its PIN is locked; unlock it with its SO PIN (PUK)")
    if flags & TokenFlag.USER_PIN_FINAL_TRY:
        text = f"{where}: wrong PINs left one try, which is not used up here; log in once by hand with the right PIN"
        raise TokenError(TokenTrouble.PIN_FINAL_TRY, text)
    try:
        session = token.open(rw=work.deed is not TokenDeed.CHECK, user_pin=work.pin)
    except (exceptions.PinIncorrect, exceptions.PinInvalid, exceptions.PinLenRange) as error:
        text = f"{where}: the PIN is wrong; it is not tried again: charge-agent secret set token-pin"
        raise TokenError(TokenTrouble.PIN_WRONG, text) from error
    except exceptions.PinLocked as error:
        text = f"{where}: its PIN is locked; unlock it with its SO PIN (PUK)"
        raise TokenError(TokenTrouble.PIN_LOCKED, text) from error
    except exceptions.UserPinNotInitialized as error:
        raise TokenError(TokenTrouble.NO_PIN, f"{where}: it has no user PIN yet; initialise it") from error
    except PKCS11Error as error:
        raise TokenError(TokenTrouble.REFUSED, f"{where} cannot be used: {_why(error)}") from error
    try:
        with session:
            yield session
    except PKCS11Error as error:
        raise TokenError(TokenTrouble.REFUSED, f"{where}: {work.deed.value}: {_why(error)}") from error


def _private_key(session: Any, key_id: str, token: object) -> Any:
    from pkcs11 import Attribute, ObjectClass

    wanted = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: bytes.fromhex(key_id)}
    found = next(iter(list(session.get_objects(wanted))), None)
    if found is None:
        raise TokenError(TokenTrouble.KEY_MISSING, f"token {token} holds no private key with id {key_id}")
    return found


# ---- a new key and its request ---------------------------------------------------------------------------------------


def _make(session: Any, work: TokenWork) -> TokenAnswer:
    from agent.security.certificates import Subject, public_pem, request_for
    from agent.security.token_key import signing_key

    deleted, remarks = _delete(session, work)
    public, private = _generate(session, work)
    try:
        check_stays(private)
        key = signing_key(public, private)
        subject = Subject(common_name=work.common_name, organization=work.organization)
        request_pem = request_for(key, subject)
    except (TokenError, ValueError, TypeError):
        public.destroy()
        private.destroy()
        raise
    return TokenAnswer(
        public_pem=public_pem(key.public_key()), request_pem=request_pem, deleted=deleted, remarks=remarks
    )


def _generate(session: Any, work: TokenWork) -> tuple[Any, Any]:
    from pkcs11 import Attribute, KeyType
    from pkcs11.util.ec import encode_named_curve_parameters

    private = {
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.SIGN: True,
        Attribute.DECRYPT: False,
        Attribute.UNWRAP: False,
    }
    public = {Attribute.VERIFY: True, Attribute.ENCRYPT: False, Attribute.WRAP: False}
    named = {
        "id": bytes.fromhex(work.key_id),
        "label": key_label(work.label_prefix, work.key_id),
        "store": True,
        "private_template": private,
        "public_template": public,
    }
    if work.key_kind == "rsa":
        return _pair(session.generate_keypair(KeyType.RSA, RSA_BITS, **named))
    curve = session.create_domain_parameters(
        KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters(CURVE)}, local=True
    )
    for side in (private, public):  # an EC key neither encrypts nor wraps: some modules refuse to be told so
        for name in (Attribute.DECRYPT, Attribute.UNWRAP, Attribute.ENCRYPT, Attribute.WRAP):
            side.pop(name, None)
    return _pair(curve.generate_keypair(**named))


def _pair(made: Any) -> tuple[Any, Any]:
    public, private = made
    return public, private


def check_stays(private: Any) -> None:
    """See that a new key can never leave its token. Raises ``TokenError``. Source: PKCS #11 v2.40 §4.9."""
    from pkcs11 import Attribute

    if not private[Attribute.SENSITIVE] or private[Attribute.EXTRACTABLE]:
        raise TokenError(TokenTrouble.KEY_CAN_LEAVE, _EXPORTED)


# ---- beside and after it ---------------------------------------------------------------------------------------------


def _keep(session: Any, work: TokenWork) -> TokenAnswer:
    """Put the certificate beside its key. A token without room for it does its work all the same: that is a remark."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from pkcs11 import Attribute, PKCS11Error
    from pkcs11.util.x509 import decode_x509_certificate

    _private_key(session, work.key_id, work.token)
    remarks: tuple[str, ...] = ()
    try:
        leaf = x509.load_pem_x509_certificate(work.certificate_pem.encode())
        template = decode_x509_certificate(leaf.public_bytes(serialization.Encoding.DER))
        template |= {
            Attribute.TOKEN: True,
            Attribute.ID: bytes.fromhex(work.key_id),
            Attribute.LABEL: key_label(work.label_prefix, work.key_id),
        }
        session.create_object(template)
    except (PKCS11Error, ValueError) as error:
        remarks = (f"the certificate is not on the token itself: {_why(error)}",)
    deleted, others = _delete(session, work)
    return TokenAnswer(deleted=deleted, remarks=(*remarks, *others))


def _delete(session: Any, work: TokenWork) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Destroy keys and certificates by id and label; return the ids that are gone, and remarks."""
    from pkcs11 import Attribute, PKCS11Error

    gone, remarks = [], []
    for key_id in work.delete:
        label = key_label(work.label_prefix, key_id)
        try:
            for found in list(session.get_objects({Attribute.ID: bytes.fromhex(key_id), Attribute.LABEL: label})):
                found.destroy()
        except PKCS11Error as error:
            remarks.append(f"stale key {key_id} stays on the token: {_why(error)}")
        else:
            gone.append(key_id)
    return tuple(gone), tuple(remarks)


def _why(error: BaseException) -> str:
    """Return what the library said; most of its exceptions have a name and no text."""
    return str(error) or type(error).__name__


def _text(field: object) -> str:
    text = field.decode("utf-8", "replace") if isinstance(field, bytes) else str(field or "")
    return text.strip(" \0")


if __name__ == "__main__":
    os._exit(main())  # the session is closed; modules that fall over their own unloading (SoftHSM) have nothing to say
