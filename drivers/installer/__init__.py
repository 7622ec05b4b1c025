"""Installers of firmware images.

What lives here: drivers that meet ``drivers.api.installers.Installer``. What must not: where images come from, whether
they may be installed now, OCPP. Who may import it: nobody by name; the station opens one through its target.
"""
