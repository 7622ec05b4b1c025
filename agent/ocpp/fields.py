"""Types of message members that both versions share: JSON primitives with the standard's limits.

``String20`` is a string of at most 20 characters, and so on. Lists are tuples, because messages are values.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

Integer: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""The standard says 32 bits (OCPP 2.0.1 part 2 §2.1.2). Back ends number transactions in milliseconds since 1970, so 64
are taken; more would not fit into the database."""

Unsigned: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]

String8: TypeAlias = Annotated[str, Meta(max_length=8)]
String16: TypeAlias = Annotated[str, Meta(max_length=16)]
String20: TypeAlias = Annotated[str, Meta(max_length=20)]
String25: TypeAlias = Annotated[str, Meta(max_length=25)]
String32: TypeAlias = Annotated[str, Meta(max_length=32)]
String36: TypeAlias = Annotated[str, Meta(max_length=36)]
String40: TypeAlias = Annotated[str, Meta(max_length=40)]
String50: TypeAlias = Annotated[str, Meta(max_length=50)]
String128: TypeAlias = Annotated[str, Meta(max_length=128)]
String255: TypeAlias = Annotated[str, Meta(max_length=255)]
String500: TypeAlias = Annotated[str, Meta(max_length=500)]
String512: TypeAlias = Annotated[str, Meta(max_length=512)]
String1000: TypeAlias = Annotated[str, Meta(max_length=1000)]
String2500: TypeAlias = Annotated[str, Meta(max_length=2500)]
String5500: TypeAlias = Annotated[str, Meta(max_length=5500)]
