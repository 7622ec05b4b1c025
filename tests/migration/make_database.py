"""Make ``databases/vN.sqlite`` of the present schema: ``python -m tests.migration.make_database``.

Run it once for every released schema, with the release's own code, and never again: the files are the past.
"""

from __future__ import annotations

from pathlib import Path

from agent.model.commands import TokenVerdict, Verdict
from agent.model.effects import CacheToken, SaveAvailability, SaveDocument, SaveTransaction
from agent.model.variables import StoredValue, ValueSource
from agent.store import Store
from agent.store.schema import released_migrations
from tests.unit.store_examples import BOOT, CARD, charge, record

DATABASES = Path(__file__).parent / "databases"


def make(path: Path) -> None:
    """Fill a journal with one of everything: an undelivered charge, a running transaction, a dead letter, settings."""
    store, _report = Store.open(path, boot_id=BOOT)
    verdict = TokenVerdict(verdict=Verdict.ACCEPTED, group="fleet", expires_utc_s=1.8e9)
    store.commit(
        [
            CacheToken(token=CARD, verdict=verdict),
            SaveAvailability(operative=False, evse_id=2),
            SaveDocument(kind="colour", key="led", body=b'"blue"'),
        ],
        values=[StoredValue(key="samplectrlr.interval", value="30", source=ValueSource.CSMS, file_value="60")],
        anchor_utc_minus_mono_s=1.7e9,
        last_good_utc_s=1.7e9,
        notes={"reset": "remote_reset"},
    )
    for durables in charge("t1", samples=4):
        store.commit(durables)
    store.acknowledge(1, "4711")
    store.failed(2, "InternalError", new_message_id=True)
    store.dead_letter(2, "given up after 3 attempts: InternalError")
    store.failed(3, "no answer in 30 s", new_message_id=False)
    store.fix_utc(3, 1.7e9 + 130.0)
    store.commit([SaveTransaction(record=record("t2"))])
    store.close()
    path.with_name(f"{path.name}.reserve").unlink(missing_ok=True)


if __name__ == "__main__":
    target = DATABASES / f"v{released_migrations()[-1].version}.sqlite"
    if target.exists():
        raise SystemExit(f"{target} exists: a released database is never made again")
    make(target)
    print(f"made {target}")
