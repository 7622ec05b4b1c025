"""What must not leave the station is blackened: passwords, keys, credentials in addresses, id tokens. Pure.

Logs and answers hold none of these in the first place; a station file, a manufacturer's command or a library may. Id
tokens become the same short hash as in every log, so that a bundle can still be followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from agent.model.ids import IdToken

GONE: Final = "***"
SHORTEST_SECRET: Final = 4  # characters; anything shorter would blacken half of a text

# Each pattern begins with words of its own, and what may be long has a bound: hostile lines take no longer than others.
_VALUE: Final = r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;}\]"']+)"""
_URL: Final = re.compile(r"://[^\s\"'<>]{1,2000}@")  # to the last @: a password may hold what it should not
_QUERY: Final = re.compile(
    r"(?i)((?:http|ftp)s?://[^\s?\"'<>]{1,2000})\?[^\s\"'<>]+"
)  # may hold a key to what it names
_AUTHORIZATION: Final = re.compile(r"(?i)\b(Basic|Bearer|Digest)\s{1,8}[A-Za-z0-9+/=._~-]{6,}")
_NAMED: Final = re.compile(
    r"(?i)((?:passw(?:or)?d|\bpwd|passphrase|secret|authorization_?key|private_?key|api_?key|\bpin\b|credential)"
    r"(?![\w.-]{0,40}_(?:file|encoding))[\w.-]{0,40}[\"']?\s{0,8}[:=]\s{0,8})" + _VALUE
)
_PAIR: Final = re.compile(
    r"(?i)(\"key\"\s{0,8}:\s{0,8}\"(?:AuthorizationKey|BasicAuthPassword)\"\s{0,8},\s{0,8}\"value\"\s{0,8}:\s{0,8})"
    + _VALUE
)
_PAIR_REVERSED: Final = re.compile(
    r"(?i)(\"value\"\s{0,8}:\s{0,8})"
    + _VALUE
    + r"(\s{0,8},\s{0,8}\"key\"\s{0,8}:\s{0,8}\"(?:AuthorizationKey|BasicAuthPassword)\")"
)
_TOKEN: Final = re.compile(
    r"(?i)(\b(?:id_?tag|parent_?id_?tag|id_?token|group_?id_?token|card_?uid|uid)[\"']?\s{0,8}[:=]\s{0,8})" + _VALUE
)
_NAMES: Final = ("passw", "pwd", "passphrase", "secret", "key", "pin", "credential")
_SCHEMES: Final = ("basic", "bearer", "digest")
_TOKENS: Final = ("tag", "token", "uid")
_BLOCK_BEGINS: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_BLOCK_ENDS: Final = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")


class Blackener:
    """Blackens one text after the other; remembers whether it is inside a private key.

    Args:
        secrets: what is known to be secret: gone wherever it stands.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({each for each in secrets if len(each) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._inside = False

    def line(self, text: str) -> str:
        """Return a line that may leave the station."""
        if self._inside or _BLOCK_BEGINS.search(text):
            self._inside = _BLOCK_ENDS.search(text) is None
            return GONE + ("\n" if text.endswith("\n") else "")
        for secret in self._secrets:
            text = text.replace(secret, GONE)
        low = text.lower()
        if "://" in low:
            text = _URL.sub(f"://{GONE}@", text)
            text = _QUERY.sub(rf"\1?{GONE}", text)
        if any(each in low for each in _SCHEMES):
            text = _AUTHORIZATION.sub(rf"\1 {GONE}", text)
        if any(each in low for each in _NAMES):
            text = _PAIR.sub(rf'\1"{GONE}"', text)
            text = _PAIR_REVERSED.sub(rf'\1"{GONE}"\3', text)
            text = _NAMED.sub(_named, text)
        if any(each in low for each in _TOKENS):
            text = _TOKEN.sub(_hashed, text)
        return text


def _named(found: re.Match[str]) -> str:
    value = found[2]
    quote = value[0] if value[0] in "\"'" else ""
    plain = value in ("true", "false", "null", "None")
    return found[0] if plain else f"{found[1]}{quote}{GONE}{quote}"


def _hashed(found: re.Match[str]) -> str:
    value = found[2]
    quote = value[0] if value[0] in "\"'" else ""
    token = value.strip("\"'")
    if not token or token.startswith("id:") or token in ("null", "None", "true", "false"):
        return found[0]
    return f"{found[1]}{quote}{IdToken(value=token).hashed()}{quote}"
