"""The trial: the technician's test of a station's hardware, ``charge-agent test``.

What lives here: the checks (pure: sights in, wishes and findings out), the *holder* (a process of its own that opens
the guard's devices from the guard's compiled plan, under the guard's rules: its first write is safe, and so is its
last, whatever ended it), what is tested beside it (meters, card readers), and the report as text, JSON and a page to
print.
What must not: a second way to drive anything while a guard or an agent runs; opinions about charging.
Who may import it: ``agent.cli``, when the verb is used. Nothing that runs on a charging station loads it.
"""
