"""The benchmarks: what the agent costs and how fast it is, against named baselines in the same run.

What lives here: the measurements and their baselines (``bench.peers``). What must not: anything that a test or the
product needs, and any timed assertion. Who may import it: nobody. It may import everything.
"""
