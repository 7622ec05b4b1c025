"""Temperature sensors.

What lives here: drivers that meet ``drivers.api.TemperatureSensor``. What must not: what a temperature means.
Who may import it: nobody by name; the guard opens it through its target.
"""
