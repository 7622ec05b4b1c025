"""The table ``[maintenance]``: its options, what they say about each other, and the settings made of them."""

from __future__ import annotations

from typing import Final

from agent.model.addresses import TRANSFER_SCHEMES
from agent.settings.reading import Clean, Reading
from agent.settings.schema import Field, Kind, Table
from agent.settings.station import MaintenanceSettings, UnsignedFirmware
from drivers.api import DriverKind

_SCHEMES: Final = ("https", "ftps", "sftp", "http", "ftp")

MAINTENANCE: Final = Table(
    name="maintenance",
    help="Firmware updates, diagnostics and logs.",
    fields=(
        Field(
            name="allowed_schemes",
            kind=Kind.TEXTS,
            default=_SCHEMES,
            choices=_SCHEMES,
            help="protocols by which firmware may come and logs may go; http and ftp can be read and forged on the way",
        ),
        Field(
            name="unsigned_firmware",
            kind=Kind.TEXT,
            default="auto",
            choices=tuple(each.value for each in UnsignedFirmware),
            help="auto: taken as long as no root of the manufacturer is known; with one, only signed firmware is",
        ),
        Field(
            name="firmware_roots",
            kind=Kind.PATHS,
            default=(),
            existing=True,
            help="PEM files of the manufacturer's roots, which signing certificates must come from",
            example=["manufacturer-root.pem"],
        ),
        Field(
            name="firmware_crl",
            kind=Kind.PATH,
            existing=True,
            help="PEM file with the manufacturer's lists of revoked certificates",
            example="manufacturer.crl",
        ),
        Field(
            name="max_firmware_mb",
            kind=Kind.WHOLE,
            unit="MB",
            default=1024,
            minimum=1,
            maximum=65_536,
            help="largest firmware that is fetched",
        ),
        Field(
            name="max_bundle_mb",
            kind=Kind.WHOLE,
            unit="MB",
            default=16,
            minimum=1,
            maximum=1024,
            help="most text that goes into a bundle of logs, before it is compressed",
        ),
        Field(
            name="keep_free_mb",
            kind=Kind.WHOLE,
            unit="MB",
            default=64,
            minimum=0,
            maximum=65_536,
            help="space of the disk that a download leaves free",
        ),
        Field(
            name="new_sessions_before_install",
            kind=Kind.FLAG,
            default=False,
            help="vehicles may begin to charge while a fetched firmware waits for the end of the charges that run",
        ),
        Field(
            name="version_file",
            kind=Kind.PATH,
            help="file whose first line is the version of the whole image, told to the CSMS as firmware version",
            example="/etc/image-version",
        ),
        Field(
            name="known_hosts",
            kind=Kind.PATH,
            existing=True,
            help="OpenSSH known_hosts file of the SFTP servers; without it there is no SFTP",
            example="known_hosts",
        ),
        Field(
            name="ssh_key",
            kind=Kind.PATH,
            existing=True,
            help="private key to show to SFTP servers",
            example="sftp.key",
        ),
    ),
    tables=(
        Table(
            name="installer",
            help="who installs firmware; without it none is",
            inline=True,
            driver=DriverKind.INSTALLER,
            fields=(Field(name="driver", kind=Kind.TEXT, required=True, help="name of the driver", example="rauc"),),
        ),
    ),
)


def check_maintenance(clean: Clean, reading: Reading) -> None:
    """Note what the options say against each other."""
    table = clean.get("maintenance", {})
    schemes = table.get("allowed_schemes", ())
    path = ("maintenance", "allowed_schemes")
    if len(set(schemes)) < len(schemes):
        reading.refuse(path, "names a protocol twice")
    unsigned = table.get("unsigned_firmware")
    if unsigned == UnsignedFirmware.ALLOW.value and table.get("firmware_roots"):
        reading.refuse(
            ("maintenance", "unsigned_firmware"),
            "is allow although firmware_roots are given: whoever can send an UpdateFirmware needs no signature",
            "leave it at auto",
        )
    if "firmware_crl" in table and not table.get("firmware_roots") and not reading.refused(("maintenance",)):
        reading.refuse(("maintenance", "firmware_crl"), "is given without firmware_roots")
    if "ssh_key" in table and "known_hosts" not in table and not reading.refused(("maintenance", "known_hosts")):
        reading.refuse(("maintenance", "ssh_key"), "is given without known_hosts")
    unknown = sorted(set(schemes) - TRANSFER_SCHEMES)
    assert not unknown, unknown  # the choices are those of the model


def maintenance_of(clean: Clean) -> MaintenanceSettings:
    """Return the settings that the checked table says."""
    installer = clean.get("installer")
    return MaintenanceSettings(
        allowed_schemes=tuple(clean["allowed_schemes"]),
        unsigned_firmware=UnsignedFirmware(clean["unsigned_firmware"]),
        firmware_roots=clean["firmware_roots"],
        firmware_crl=clean.get("firmware_crl"),
        max_firmware_mb=clean["max_firmware_mb"],
        max_bundle_mb=clean["max_bundle_mb"],
        keep_free_mb=clean["keep_free_mb"],
        new_sessions_before_install=clean["new_sessions_before_install"],
        version_file=clean.get("version_file"),
        known_hosts=clean.get("known_hosts"),
        ssh_key=clean.get("ssh_key"),
        installer=None if installer is None else installer["driver"],
    )
