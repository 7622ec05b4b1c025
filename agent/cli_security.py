"""The verbs of the command line that concern security: ``secret``, ``identity``, ``security-log`` and ``doctor``.

A secret is read from standard input or, on a terminal, asked for twice without echo; it is never an argument, because
arguments are seen in the list of processes.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.cli_station import EXIT_FAILED, EXIT_SETTINGS, Add, complain, configured

if TYPE_CHECKING:
    import argparse

    from agent.runtime.doctor import Beside, Examination, Finding
    from agent.settings.station import Settings

CREDENTIAL_STORE: Final = "/etc/credstore.encrypted"  # systemd.exec(5), LoadCredentialEncrypted=
SHORT_CHARS: Final = 16  # OCPP 2.0.1 A00.FR.205; an AuthorizationKey of 1.6 has as many bytes
LARGEST_B: Final = 65_536
HELD_S: Final = 90  # so long the agent dials nobody: the WebSocket and the answer to the boot notification
DIALLING_S: Final = 25  # its own attempt has ended by then


def add_verbs(add: Add) -> None:
    """Add the verbs to the parser."""
    from agent.security.secret_names import NAMES

    secret = add("secret", secret_verb, "keep passwords and keys on the station; they are read from standard input")
    secret.add_argument(
        "do",
        choices=("set", "list", "remove", "request"),
        help="set one, list which there are, remove one; request: make client-key here and print its signing request",
    )
    secret.add_argument("name", choices=tuple(NAMES), nargs="?", metavar="NAME", help=", ".join(NAMES))
    secret.add_argument(
        "--systemd",
        type=Path,
        nargs="?",
        const=Path(CREDENTIAL_STORE),
        metavar="FOLDER",
        help=f"set, request: encrypt it for systemd into FOLDER instead (default {CREDENTIAL_STORE})",
    )
    secret.add_argument("--organization", default="", help="request: O of the certificate, the operator's name")
    secret.add_argument("--json", action="store_true", help="list: for programs")
    configured(secret)
    identity = add("identity", identity_verb, "write the file that tells this one device who it is")
    identity.add_argument("do", choices=("set", "show"), help="write it, or show it without its password")
    identity.add_argument("--file", type=Path, help="identity file (default: the one that the station file names)")
    for name in ("id", "serial-number", "vendor", "model"):
        identity.add_argument(f"--{name}", help=f"set: {name.replace('-', ' ')} of this station")
    identity.add_argument("--password-stdin", action="store_true", help="set: read the CSMS's password from stdin")
    configured(identity)
    log = add("security-log", log_verb, "show the security events that the station has kept, oldest first")
    log.add_argument("--limit", type=int, default=100, metavar="N", help="the newest N of them (default 100)")
    log.add_argument("--json", action="store_true", help="for programs")
    configured(log)
    doctor = add("doctor", doctor_verb, "look at the link to the CSMS step by step and say what is wrong")
    doctor.add_argument("file", type=Path, nargs="?", metavar="FILE", help="station file (default: as --config)")
    doctor.add_argument("--no-boot", action="store_true", help="send no boot notification")
    doctor.add_argument("--json", action="store_true", help="for programs")
    configured(doctor)


# ---- secrets ---------------------------------------------------------------------------------------------------------


def secret_verb(options: argparse.Namespace) -> int:
    """Set, list or remove a secret."""
    from agent.cli_key_store import keep_secret, key_store_line, key_store_of, request_key
    from agent.security.secret_names import CSMS_PASSWORD, NAMES, TOKEN_PIN
    from agent.security.secrets import SecretError, SecretStore

    store = SecretStore(_state_dir(options.config))
    if options.do == "list":
        found = {name: source.value for name, source in store.known().items()}
        if options.json:
            print(json.dumps({"secrets": found, "key_store": key_store_of(options.config)}, indent=2))
        else:
            print("\n".join(f"{name:<20} {found.get(name, 'not set'):<12} {NAMES[name]}" for name in NAMES))
            print(key_store_line(options.config))
        return 0
    if options.name is None:
        complain(f"secret {options.do} needs a NAME: {', '.join(NAMES)}")
        return 2
    try:
        if options.do == "remove":
            removed = store.remove(options.name)
            print(f"{options.name}: {'removed' if removed else 'was not set on this station'}")
            return 0
        if options.do == "request":
            return request_key(options, store)
        text = _read_secret(options.name)
        print(keep_secret(store, options.name, text, options.systemd))
        if options.name == TOKEN_PIN:
            _pin_may_be_tried(options.config, text)
    except SecretError as error:
        complain(str(error))
        return EXIT_FAILED
    if options.name == CSMS_PASSWORD and len(text) < SHORT_CHARS:
        complain(f"csms-password has {len(text)} characters; OCPP wants {SHORT_CHARS} or more")
    return 0


def _read_secret(name: str) -> str:
    from agent.security.secrets import SecretError

    if sys.stdin.isatty():
        import getpass

        text, again = getpass.getpass(f"{name}: "), getpass.getpass(f"{name} again: ")
        if text != again:
            raise SecretError("the two are not the same")
    else:
        content = sys.stdin.buffer.read(LARGEST_B + 1)
        try:
            text = content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise SecretError(f"secret {name} is not UTF-8 text") from None
    _check_form(name, text)
    return text


def _check_form(name: str, text: str) -> None:
    """Refuse what cannot be meant. Raises ``SecretError``."""
    from agent.security.secret_names import CSMS_PASSWORD, TOKEN_PIN
    from agent.security.secrets import SecretError

    if name in (CSMS_PASSWORD, TOKEN_PIN) and ("\n" in text or not text.isprintable()):
        raise SecretError(f"{name} holds line breaks or characters that cannot be printed")


def _pin_may_be_tried(config: Path, pin: str) -> None:
    """A PIN was set by hand: that a token refused it before counts no more. Raises ``SecretError``."""
    from agent.security.key_token import allow_again
    from agent.security.secrets import SecretError
    from agent.security.vault import SECURITY_FOLDER

    try:
        allow_again(_state_dir(config) / SECURITY_FOLDER, pin)
    except OSError as error:
        raise SecretError(f"that the PIN was refused before cannot be forgotten: {error}") from error


# ---- identity --------------------------------------------------------------------------------------------------------


def identity_verb(options: argparse.Namespace) -> int:
    """Write or show the identity file."""
    from agent.cli_key_store import key_store_line
    from agent.settings.identity import PASSWORD, IdentityFileError, read_identity

    path = options.file or _identity_file(options.config)
    if path is None:
        complain(f"{options.config} names no identity_file in [station]; give --file")
        return EXIT_SETTINGS
    if options.do == "show":
        try:
            found = read_identity(path)
        except IdentityFileError as error:
            complain(str(error))
            return EXIT_FAILED
        print("\n".join(f"{key} = {'***' if key == PASSWORD else json.dumps(found[key])}" for key in found))
        print(f"# {key_store_line(options.config)}")
        return 0
    return _write_identity(options, path)


def _write_identity(options: argparse.Namespace, path: Path) -> int:
    from agent.security.private_files import write_private
    from agent.security.secrets import SecretError
    from agent.settings.identity import IDENTITY_KEYS, PASSWORD, IdentityFileError, read_identity

    try:
        known = read_identity(path) if path.exists() else {}
    except IdentityFileError:
        known = {}
    values = {name: getattr(options, name) for name in IDENTITY_KEYS}
    given = {name: text for name, text in values.items() if text is not None}
    try:
        if options.password_stdin:
            given[PASSWORD] = _read_secret("csms-password")
    except SecretError as error:
        complain(str(error))
        return EXIT_FAILED
    merged = {**known, **given}
    if "id" not in merged:
        complain("an identity needs --id")
        return 2
    lines = [f"{key} = {json.dumps(merged[key], ensure_ascii=False)}" for key in merged]
    try:
        write_private(path, ("\n".join(lines) + "\n").encode(), shared_folder=True)
        read_identity(path)
    except (OSError, IdentityFileError) as error:
        complain(str(error))
        return EXIT_FAILED
    print(f"{path}: this station is {merged['id']}")
    return 0


def _identity_file(config: Path) -> Path | None:
    import tomllib

    try:
        station: Any = tomllib.loads(config.read_text("utf-8")).get("station", {})
        named = station.get("identity_file")
    except (OSError, ValueError, AttributeError):
        return None
    return config.absolute().parent / named if isinstance(named, str) and named else None


# ---- the security log ------------------------------------------------------------------------------------------------


def log_verb(options: argparse.Namespace) -> int:
    """Show the security log."""
    from collections import deque

    from agent.model.moment import rfc3339
    from agent.security.event_log import SecurityLog
    from agent.security.vault import SECURITY_FOLDER

    log = SecurityLog(_state_dir(options.config) / SECURITY_FOLDER)
    try:
        entries = deque(log.entries(), maxlen=max(1, options.limit))
    except OSError as error:
        complain(f"{log.path} cannot be read: {error.strerror or error}")
        return EXIT_FAILED
    rows = [
        {
            "utc": None if each.at.utc_s is None else rfc3339(each.at.utc_s),
            "boot_id": each.at.boot_id,
            "mono_s": round(each.at.mono_s, 3),
            "event": each.event.value,
            "critical": each.critical,
            "text": each.text,
        }
        for each in entries
    ]
    if options.json:
        print(json.dumps({"events": rows}, indent=2))
    elif not rows:
        print("No security events are kept.")
    for row in [] if options.json else rows:
        when = row["utc"] or f"{row['mono_s']:.0f} s after power-up"
        print(f"{when:<26} {'!' if row['critical'] else ' '} {row['event']:<28} {row['text']}".rstrip())
    return 0


# ---- the doctor ------------------------------------------------------------------------------------------------------


def doctor_verb(options: argparse.Namespace) -> int:
    """Look at the link; the exit code names the step that failed."""
    import asyncio

    from agent.presets import check_variable
    from agent.runtime.doctor import Step
    from agent.settings.last_good import check_station
    from agent.settings.problems import SettingsError

    config = options.file or options.config
    try:
        settings = check_station(config, check_variable=check_variable)
    except SettingsError as error:
        if options.json:
            problems = [{"key": each.key, "line": each.line, "problem": each.text} for each in error.problems]
            print(json.dumps({"ok": False, "exit_code": EXIT_SETTINGS, "problems": problems}, indent=2))
        else:
            complain(str(error))
        return EXIT_SETTINGS
    examined = asyncio.run(_examine(settings, boot=not options.no_boot, quiet=options.json))
    code = next((each.exit_code for each in examined if each.exit_code), 0)
    if options.json:
        addresses = [_as_json(each) for each in examined]
        print(json.dumps({"ok": code == 0, "exit_code": code, "addresses": addresses}, indent=2))
    else:
        seen = (Step.UPGRADE, Step.REGISTRATION)
        whole = all(each.ok is not None for one in examined for each in one.findings if each.step in seen)
        good = "The link is good." if whole else "Nothing is wrong as far as was looked; not beyond the steps with '-'."
        print(good if code == 0 else f"The link is not good: exit code {code}.")
    return code


async def _examine(settings: Settings, *, boot: bool, quiet: bool) -> list[Examination]:
    import asyncio

    from agent.app import dialect_of, identity_of
    from agent.runtime.dialler import Dialler
    from agent.runtime.doctor import Doctor
    from agent.secured import vault_of
    from drivers.api import ClockSource, DriverError
    from drivers.registry import open_driver

    dialect = dialect_of(settings.csms.version, settings)
    clock: ClockSource | None = None
    with contextlib.suppress(DriverError):
        clock = open_driver(settings.clock.target, settings.clock.options)

    def utc() -> float | None:
        return None if clock is None else clock.utc_s()

    vault = vault_of(settings)
    await asyncio.to_thread(vault.make_ready)
    dialler = Dialler(
        settings=settings.csms,
        identity=settings.station.id,
        subprotocol=dialect.subprotocol,
        vault=vault,
        attempts=lambda: 1,
        utc=utc,
        vouched=lambda: utc() is not None,
        note=lambda _event, _text: None,
    )
    socket = settings.station.run_dir / "agent.sock"
    examined = []
    for url in dialler.every_url():
        if not quiet:
            print(f"{settings.station.id} to {url}, OCPP {settings.csms.version.value}", flush=True)

        def endpoint(url: str = url) -> Any:
            return dialler.endpoint(url)

        async def beside(url: str = url) -> Beside:
            return await _beside(socket, url)

        doctor = Doctor(
            url=url,
            endpoint=endpoint,
            dialect=dialect,
            identity=identity_of(settings),
            utc=utc,
            say=(lambda _finding: None) if quiet else _say,
            boot=boot,
            beside=beside,
            keys=vault.where_keys_are,
        )
        try:
            examined.append(await doctor.examine())
        finally:
            await asyncio.to_thread(_let_go, socket)
    return examined


async def _beside(socket: Path, url: str) -> Beside:
    """Ask a running agent what it does with its own connection; where it has none, it dials nobody for a while."""
    import asyncio

    from agent.console.knock import NobodyHome, Unanswered, ask
    from agent.runtime.doctor import Beside

    try:
        for _ in range(DIALLING_S):
            csms = ask(socket, "status")["csms"]
            if csms["state"] not in ("connecting", "waiting"):
                here = csms["url"] == url
                words = f"the running agent is connected, {csms['state']} for {csms['since_s']:.0f} s"
                return Beside(text=words, state=csms["state"]) if here else Beside(text=f"{words}, to {csms['url']}")
            if ask(socket, "hold", seconds=HELD_S)["state"] != "connecting":
                return Beside()
            await asyncio.sleep(1.0)
    except NobodyHome:
        return Beside()
    except (Unanswered, KeyError) as error:
        return Beside(text=f"an agent runs and cannot be asked ({error}): stop it to look further")
    return Beside(text="the running agent is dialling: try again, or stop it")


def _let_go(socket: Path) -> None:
    """The agent may dial again."""
    from agent.console.knock import NobodyHome, Unanswered, ask

    with contextlib.suppress(NobodyHome, Unanswered):
        ask(socket, "hold", seconds=0)


def _say(finding: Finding) -> None:
    from agent.model.plain_text import printable  # a certificate's names, for one, are somebody else's words

    mark = {True: "ok", False: "FAILED", None: "-"}[finding.ok]
    print(f"  {finding.step.value:<18} {mark:<7} {printable(finding.text)}", flush=True)
    if finding.ok is False:
        print(f"  {'':<18} {'cause':<7} {finding.cause}\n  {'':<18} {'fix':<7} {finding.fix}", flush=True)


def _as_json(examination: Examination) -> dict[str, Any]:
    return {
        "url": examination.url,
        "exit_code": examination.exit_code,
        "steps": [
            {
                "step": each.step.value,
                "ok": each.ok,
                "text": each.text,
                "cause": each.cause,
                "fix": each.fix,
                "took_s": each.took_s,
            }
            for each in examination.findings
        ],
    }


def _state_dir(config: Path) -> Path:
    """Return the station's folder, as far as its file tells, also where that is not complete yet."""
    from agent.settings.places import state_dirs

    try:
        text = config.read_bytes()
    except OSError:
        text = b""
    return state_dirs(config, text)[0]
