"""Power cuts at every write: what SQLite asks of the disk is recorded, and every disk that may be left is opened.

``recording`` puts an apsw VFS below the real ``Store`` and keeps its writes, truncates, syncs and deletes; ``script``
drives the store through a whole charge; ``disk`` builds the images that a power cut may leave; ``verdict`` opens them
with the real store and judges. ``python -m tests.powercut.campaign --images 100000 --jobs 2``.
"""
