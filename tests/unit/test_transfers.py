"""Files fetched and sent by HTTP, FTP and SFTP, over loopback, with whatever servers do."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from agent.maintenance.address import IMPLICIT_FTPS_PORT, AddressRefused, parse_address, redirected
from agent.maintenance.part_file import NoRoom, PartFile, TooLarge
from agent.maintenance.transfer import Means, TransferFailed, Trouble, fetch, send
from tests.unit.file_hosts import ftp_host, http_host

EVERY = ("https", "ftps", "sftp", "http", "ftp")
MEANS = Means(schemes=EVERY)
OWN_ADDRESS = "127.9.9.1"  # of the loopback network: a port of its own beside other tests
CONTENT = bytes(range(256)) * 4096  # 1 MiB


def part(folder: Path, source: str = "x", most_b: int = 1 << 30, keep_free_b: int = 0) -> PartFile:
    return PartFile(folder / "image.bin", source, most_b=most_b, keep_free_b=keep_free_b)


async def fetched(folder: Path, url: str, means: Means = MEANS, most_b: int = 1 << 30) -> bytes:
    file = part(folder, url, most_b)
    await fetch(parse_address(url, EVERY), file, means)
    return file.path.read_bytes()


async def trouble(folder: Path, url: str, means: Means = MEANS) -> TransferFailed:
    with pytest.raises(TransferFailed) as caught:
        await fetched(folder, url, means)
    return caught.value


# ---- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["file:///etc/shadow", "dummy://dummy", "http://", "gopher://h/x", "http://h/%0d%0aDELE%20x", "", "x" * 3000],
)
def test_an_address_that_may_not_be_followed_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        parse_address(text, EVERY)
    assert "shadow" not in str(caught.value)


def test_credentials_and_keys_in_an_address_are_never_shown() -> None:
    address = parse_address("https://bob:s3cret@files.example:8443/a%20b?sig=topsecret", EVERY)
    assert (address.user, address.password, address.path) == ("bob", "s3cret", "/a b")
    assert address.shown == "https://files.example:8443/a b"
    assert address.target == "/a%20b?sig=topsecret"


def test_a_redirection_keeps_credentials_with_their_host_and_never_leaves_tls() -> None:
    there = parse_address("https://bob:s3cret@one.example/x", EVERY)
    assert redirected(there, "/y", EVERY).password == "s3cret"
    assert redirected(there, "https://two.example/y", EVERY).password is None
    with pytest.raises(AddressRefused):
        redirected(there, "http://one.example/y", EVERY)
    with pytest.raises(AddressRefused):
        redirected(there, "file:///etc/passwd", EVERY)


# ---- parts -----------------------------------------------------------------------------------------------------------


def test_what_lies_beyond_the_last_checkpoint_is_not_believed_after_a_power_cut(tmp_path: Path) -> None:
    first = part(tmp_path)
    first.begin(0, total_b=100, validator="v")
    first.write(b"a" * 40)
    first.pause()
    with (tmp_path / "image.bin.part").open("ab") as file:
        file.write(b"\0" * 30)  # what a file system may show of bytes that never reached the disk
    again = part(tmp_path)
    assert again.known().durable_b == 40
    again.begin(40, total_b=100, validator="v")
    again.write(b"b" * 60)
    again.finish()
    assert again.path.read_bytes() == b"a" * 40 + b"b" * 60
    assert sorted(each.name for each in tmp_path.iterdir()) == ["image.bin"]


def test_a_part_of_another_source_or_shorter_than_its_note_is_not_gone_on_with(tmp_path: Path) -> None:
    first = part(tmp_path, "one")
    first.begin(0, total_b=None, validator="")
    first.write(b"a" * 40)
    first.pause()
    assert part(tmp_path, "two").known().durable_b == 0
    (tmp_path / "image.bin.part").write_bytes(b"a" * 39)
    assert part(tmp_path, "one").known().durable_b == 0
    (tmp_path / "image.bin.part.json").write_bytes(b"{")
    assert part(tmp_path, "one").known().durable_b == 0


def test_a_file_that_is_too_large_or_for_which_there_is_no_room_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="101 bytes are more than the 100"):
        part(tmp_path, most_b=100).begin(0, total_b=101, validator="")
    unannounced = part(tmp_path, most_b=100)
    unannounced.begin(0, total_b=None, validator="")
    with pytest.raises(TooLarge):
        unannounced.write(b"x" * 101)
    with pytest.raises(NoRoom, match="stay free"):
        part(tmp_path, keep_free_b=1 << 60).begin(0, total_b=10, validator="")


# ---- HTTP ------------------------------------------------------------------------------------------------------------


async def test_a_download_that_broke_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with http_host(fw=CONTENT) as host:
        url = f"http://bob:s3cret@127.0.0.1:{host.port}/fw"
        host.breaks_after_b = 300_000
        error = await trouble(tmp_path, url)
        assert error.trouble is Trouble.UNREACHABLE
        assert "s3cret" not in str(error)
        assert await fetched(tmp_path, url) == CONTENT
        assert host.ranges == ["bytes=300000-"]
        assert set(host.credentials) == {"Basic Ym9iOnMzY3JldA=="}


@pytest.mark.parametrize("etag", ['"two"', ""])
async def test_a_file_that_has_changed_meanwhile_is_fetched_anew(tmp_path: Path, etag: str) -> None:
    with http_host(fw=CONTENT) as host:
        url = f"http://127.0.0.1:{host.port}/fw"
        host.etag = '"one"' if etag else ""
        host.breaks_after_b = 300_000
        await trouble(tmp_path, url)
        host.files["/fw"], host.etag = CONTENT[::-1] + b"!", etag
        if not etag:  # nothing tells the new file from the old one but its size
            assert (await trouble(tmp_path, url)).trouble is Trouble.UNREACHABLE
        assert await fetched(tmp_path, url) == CONTENT[::-1] + b"!"


async def test_a_server_without_ranges_gives_the_file_whole_again(tmp_path: Path) -> None:
    with http_host(fw=CONTENT) as host:
        url = f"http://127.0.0.1:{host.port}/fw"
        host.ranged, host.breaks_after_b = False, 300_000
        await trouble(tmp_path, url)
        assert await fetched(tmp_path, url) == CONTENT


async def test_redirections_are_followed_a_few_times_and_only_to_where_files_may_come_from(tmp_path: Path) -> None:
    with http_host(fw=b"x") as host:
        base = f"http://127.0.0.1:{host.port}"
        host.redirect = {"/a": "/fw", "/loop": "/loop", "/out": "file:///etc/passwd", "/ftp": "ftp://127.0.0.1/x"}
        assert await fetched(tmp_path, f"{base}/a") == b"x"
        assert (await trouble(tmp_path, f"{base}/loop")).trouble is Trouble.NOT_UNDERSTOOD
        assert (await trouble(tmp_path, f"{base}/out")).trouble is Trouble.NOT_SUPPORTED
        assert (await trouble(tmp_path, f"{base}/ftp")).trouble is Trouble.NOT_SUPPORTED


async def test_what_a_server_refuses_is_told_apart(tmp_path: Path) -> None:
    with http_host(fw=CONTENT) as host:
        base = f"http://127.0.0.1:{host.port}"
        assert (await trouble(tmp_path, f"{base}/no")).trouble is Trouble.MISSING
        with pytest.raises(TransferFailed) as caught:
            await fetched(tmp_path, f"{base}/fw", most_b=1000)
        assert caught.value.trouble is Trouble.TOO_LARGE
        dead = host.port
    assert (await trouble(tmp_path, f"http://127.0.0.1:{dead}/fw")).trouble is Trouble.UNREACHABLE


async def test_a_download_that_nobody_wants_any_more_ends_at_once(tmp_path: Path) -> None:
    with http_host(fw=CONTENT) as host:
        host.stalls = True
        running = asyncio.ensure_future(fetched(tmp_path, f"http://127.0.0.1:{host.port}/fw"))
        await asyncio.to_thread(host.asked_one.wait)
        running.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(running, return_exceptions=True)
        assert running.cancelled()


async def test_https_servers_are_judged_by_the_stations_roots(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with http_host(context, fw=CONTENT) as host:
        url = f"https://localhost:{host.port}/fw"
        error = await trouble(tmp_path, url)
        assert "certificate is not believed" in str(error)
        known = Means(schemes=EVERY, roots_pem=authority.cert_pem.bytes().decode())
        assert await fetched(tmp_path, url, known) == CONTENT


@pytest.mark.parametrize(
    ("path", "put", "stored"),
    [
        ("/in/", 201, "PUT /in/log.tar.gz"),
        ("/in", 201, "PUT /in/log.tar.gz"),
        ("/in/exact.gz", 201, "PUT /in/exact.gz"),
        ("/in?signature=x", 201, "PUT /in?signature=x"),
        ("/in/", 405, "POST /in/"),
        ("/in", 405, "POST /in"),
    ],
)
async def test_an_upload_goes_into_a_folder_or_to_its_own_address(
    tmp_path: Path, path: str, put: int, stored: str
) -> None:
    (tmp_path / "log").write_bytes(CONTENT)
    with http_host() as host:
        host.put_status = put
        await send(parse_address(f"http://127.0.0.1:{host.port}{path}", EVERY), tmp_path / "log", "log.tar.gz", MEANS)
        assert host.uploads == {stored: CONTENT}


@pytest.mark.parametrize(
    ("status", "expected"),
    [(401, Trouble.DENIED), (400, Trouble.NOT_UNDERSTOOD), (501, Trouble.NOT_SUPPORTED), (500, Trouble.UNREACHABLE)],
)
async def test_an_upload_that_is_refused_says_how(tmp_path: Path, status: int, expected: Trouble) -> None:
    (tmp_path / "log").write_bytes(b"x")
    with http_host() as host:
        host.put_status = host.post_status = status
        with pytest.raises(TransferFailed) as caught:
            await send(parse_address(f"http://127.0.0.1:{host.port}/", EVERY), tmp_path / "log", "log", MEANS)
        assert caught.value.trouble is expected


# ---- FTP -------------------------------------------------------------------------------------------------------------


async def test_ftp_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with ftp_host(fw=CONTENT) as host:
        url = f"ftp://bob:s3cret@127.0.0.1:{host.port}/fw"
        host.breaks_after_b = 300_000
        assert (await trouble(tmp_path, url)).trouble is Trouble.UNREACHABLE
        assert await fetched(tmp_path, url) == CONTENT
        assert host.ranges == ["300000"]
        assert host.credentials == ["bob:s3cret"] * 2


async def test_ftps_speaks_tls_for_orders_and_files(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    known = Means(schemes=EVERY, roots_pem=authority.cert_pem.bytes().decode())
    with ftp_host(context, fw=CONTENT) as host:
        url = f"ftps://localhost:{host.port}/fw"
        assert await fetched(tmp_path, url, known) == CONTENT
        assert "AUTH TLS" in host.asked
        assert "PROT P" in host.asked
        assert "not believed" in str(await trouble(tmp_path, url))


@pytest.mark.req("RFC 4217 §A; IANA port 990, ftps: FTP over TLS from the first byte")
async def test_ftps_on_port_990_is_tls_from_the_first_byte_both_ways_and_goes_on_where_it_stopped(
    tmp_path: Path,
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(OWN_ADDRESS).configure_cert(context)
    known = Means(schemes=EVERY, roots_pem=authority.cert_pem.bytes().decode())
    try:
        opened = ftp_host(context, address=(OWN_ADDRESS, IMPLICIT_FTPS_PORT), implicit=True, fw=CONTENT)
        with opened as host:
            base = f"ftps://bob:s3cret@{OWN_ADDRESS}:{IMPLICIT_FTPS_PORT}"
            host.breaks_after_b = 300_000
            assert (await trouble(tmp_path, f"{base}/fw", known)).trouble is Trouble.UNREACHABLE
            assert await fetched(tmp_path, f"{base}/fw", known) == CONTENT
            assert host.ranges == ["300000"]
            (tmp_path / "log").write_bytes(CONTENT)
            host.folders = {"/in"}
            await send(parse_address(f"{base}/in", EVERY), tmp_path / "log", "log", known)
            assert host.uploads == {"/in/log": CONTENT}
            assert "AUTH TLS" not in host.asked
            assert host.asked.count("PROT P") == 3
            assert set(host.credentials) == {"bob:s3cret"}
            asked = len(host.asked)
            assert "not believed" in str(await trouble(tmp_path, f"{base}/fw"))
            assert len(host.asked) == asked  # no word, and no password, before the certificate is believed
    except PermissionError:
        pytest.skip("ports below 1024 need root here")


@pytest.mark.parametrize(("path", "stored"), [("/in", "/in/log"), ("/in/exact.gz", "/in/exact.gz")])
async def test_ftp_uploads_into_a_folder_or_to_its_own_path(tmp_path: Path, path: str, stored: str) -> None:
    (tmp_path / "log").write_bytes(CONTENT)
    with ftp_host() as host:
        host.folders = {"/in"}
        await send(parse_address(f"ftp://127.0.0.1:{host.port}{path}", EVERY), tmp_path / "log", "log", MEANS)
        assert host.uploads == {stored: CONTENT}


async def test_what_an_ftp_server_refuses_is_told_apart(tmp_path: Path) -> None:
    with ftp_host() as host:
        assert (await trouble(tmp_path, f"ftp://127.0.0.1:{host.port}/no")).trouble is Trouble.MISSING
        assert (await trouble(tmp_path, f"ftp://x:wrong@127.0.0.1:{host.port}/no")).trouble is Trouble.DENIED


# ---- SFTP ------------------------------------------------------------------------------------------------------------


async def test_sftp_fetches_and_sends_where_the_servers_key_is_known(tmp_path: Path) -> None:
    asyncssh = pytest.importorskip("asyncssh")
    key = asyncssh.generate_private_key("ssh-ed25519")
    (tmp_path / "there" / "in").mkdir(parents=True)
    (tmp_path / "there" / "fw").write_bytes(CONTENT)

    class Door(asyncssh.SSHServer):  # type: ignore[misc]  # the package is loaded only here
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == ("bob", "s3cret")

    def files(channel: object) -> object:
        return asyncssh.SFTPServer(channel, chroot=str(tmp_path / "there").encode())

    server = await asyncssh.listen("127.0.0.1", 0, server_factory=Door, server_host_keys=[key], sftp_factory=files)
    async with server:
        url = f"sftp://bob:s3cret@127.0.0.1:{server.get_port()}"
        hosts = tmp_path / "known_hosts"
        line = f"[127.0.0.1]:{server.get_port()} {key.export_public_key().decode().strip()}\n"
        hosts.write_text(line)
        means = Means(schemes=EVERY, known_hosts=hosts)
        assert await fetched(tmp_path, f"{url}/fw", means) == CONTENT
        await send(parse_address(f"{url}/in", EVERY), tmp_path / "image.bin", "log", means)
        assert (tmp_path / "there" / "in" / "log").read_bytes() == CONTENT
        assert (await trouble(tmp_path, f"{url}/no", means)).trouble is Trouble.MISSING
        assert (await trouble(tmp_path, url.replace("s3cret", "x") + "/fw", means)).trouble is Trouble.DENIED
        hosts.write_text("")
        assert (await trouble(tmp_path, f"{url}/fw", means)).trouble is Trouble.UNREACHABLE
        assert (await trouble(tmp_path, f"{url}/fw")).trouble is Trouble.NO_MEANS
