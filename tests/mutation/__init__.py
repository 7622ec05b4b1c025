"""Mutation testing of the guard's pure tables: every small defect that nobody notices is found, or argued.

``python -m tests.mutation.campaign`` (``make mutate``) changes one thing at a time in ``agent/guard/pilot.py`` and
``agent/guard/interlock.py`` and runs the tests against it. A mutant that no test notices must be in
``survivors.toml``, with the reason why it changes nothing.
"""
