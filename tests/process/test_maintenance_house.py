"""Firmware, diagnostics and a bundle with the real processes: the agent is killed in the middle of a download."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import tarfile
from datetime import UTC, datetime

import pytest

from agent.maintenance.part_file import CHECKPOINT_B
from tests.process.houses import Stay, stay, wanted
from tests.unit.file_hosts import http_host

pytestmark = pytest.mark.process
IMAGE = b"version=9.9.9\n" + bytes(6 << 20)


async def firmware_states(house: Stay) -> list[str]:
    frames = await house.frames("FirmwareStatusNotification", direction="in", kind="call")
    found = {frame["message_id"]: frame["payload"]["status"] for frame in frames}
    return list(found.values())


@pytest.mark.req("OCPP 1.6 §4.4, §4.5, §5.9, §5.19")
async def test_an_agent_killed_in_a_download_updates_all_the_same_and_uploads_what_support_needs() -> None:
    async with stay() as house:
        await house.online()
        with http_host(fw=IMAGE) as host:
            base = f"http://bob:s3cret@127.0.0.1:{host.port}"
            host.stalls, host.stalls_after_b = True, CHECKPOINT_B + 1000
            now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            await house.csms.call("UpdateFirmware", {"location": f"{base}/fw", "retrieveDate": now})
            note = house.house.directory / "state" / "maintenance" / "firmware.bin.part.json"
            async with asyncio.timeout(20):
                while not note.exists() or b'"durable_b":0' in note.read_bytes():
                    await asyncio.sleep(0.02)
            host.stalls = False
            await house.house.kill("agent")
            await wanted(house, "FirmwareStatusNotification", where={"status": "Installed"})
            states = await firmware_states(house)
            assert states == ["Downloading", "Downloaded", "Installing", "Installed"]
            assert len(host.ranges) == 1
            boots = await house.frames("BootNotification", direction="in", kind="call")
            assert boots[-1]["payload"]["firmwareVersion"] == "9.9.9"
            await house.online()
            answer = await house.csms.call("GetDiagnostics", {"location": f"{base}/in/"})
            await wanted(house, "DiagnosticsStatusNotification", where={"status": "Uploaded"})
            [(path, content)] = host.uploads.items()
            assert path == f"PUT /in/{answer['payload']['fileName']}"
        assert_good(content)
        out = house.house.directory / "support.tar.gz"
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent.cli", "bundle", "--config", str(house.house.directory / "station.toml"),
            "--out", str(out), "--json", stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await child.communicate()
        assert child.returncode == 0
        assert json.loads(said)["missing"] == {}
        assert_good(out.read_bytes())


def assert_good(content: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = [archive.extractfile(each) for each in archive.getmembers()]
        everything = b"".join(each.read() for each in members if each is not None)
        names = {each.name.partition("/")[2] for each in archive.getmembers()}
    assert names >= {"status.json", "queue.json", "charges.json", "frames.json", "agent.log", "station.toml"}
    assert b"firmware.progressed" in everything
    assert b"GetDiagnostics" in everything
    assert b"s3cret" not in everything
