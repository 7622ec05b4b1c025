"""A slice of the campaign: the power is cut once at every operation of a whole charge, and more."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.powercut import campaign
from tests.powercut.disk import Disk
from tests.powercut.recording import Acknowledged, Deleted, Opened, Synced, Written
from tests.powercut.script import AS_SHIPPED, NOT_DURABLE, OFTEN_CHECKPOINTED, record
from tests.powercut.verdict import Verdict, cut_everywhere


@pytest.mark.parametrize("replaced", [AS_SHIPPED, OFTEN_CHECKPOINTED], ids=["as_shipped", "checkpointed_often"])
def test_no_power_cut_loses_an_acknowledged_fact(replaced: dict[str, str]) -> None:
    verdicts = cut_everywhere(record(replaced), images=1000, seed=20)
    assert verdicts == {Verdict.SOUND: 1000}


def test_the_control_without_full_syncs_loses_acknowledged_facts() -> None:
    verdicts = cut_everywhere(record(NOT_DURABLE), images=300, seed=20, finished=lambda found: found[Verdict.LOST] > 2)
    assert verdicts[Verdict.LOST] > 2


def test_a_recording_covers_checkpoints_and_the_deletion_of_the_log() -> None:
    operations = record(OFTEN_CHECKPOINTED).operations
    assert any(isinstance(each, Deleted) and each.name.endswith("-wal") for each in operations)
    to_file = [each for each in operations if isinstance(each, Written) and each.name == "journal.sqlite"]
    assert len(to_file) > 20


def test_what_was_synced_is_in_every_image_and_what_was_not_may_be_missing() -> None:
    disk = Disk()
    for operation in (
        Opened("log", created=True, syncs_directory=True),
        Written("log", 0, b"a" * 1024),
        Synced("log"),
        Acknowledged(0),
        Written("log", 512, b"b" * 1024),
    ):
        disk.follow(operation)
    images = [disk.image(random.Random(seed))["log"] for seed in range(200)]
    assert all(image[:512] == b"a" * 512 for image in images)
    assert {image[512:] for image in images} >= {b"a" * 512, b"b" * 1024}
    assert any(b"a" in image[512:] and b"b" in image[512:] for image in images)


def test_the_campaign_fails_when_its_control_loses_nothing() -> None:
    sound = Counter({Verdict.SOUND: 10})
    lost = Counter({Verdict.SOUND: 1, Verdict.LOST: 9})
    assert campaign.failures_of({"as shipped": sound, campaign.CONTROL: lost}) == []
    assert "proves nothing" in campaign.failures_of({"as shipped": sound, campaign.CONTROL: sound})[0]
    assert "9 images lost" in campaign.failures_of({"as shipped": lost, campaign.CONTROL: lost})[0]
