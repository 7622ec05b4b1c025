"""What keeps a station in the field: files fetched and sent, the steps of a firmware update, bundles for support.

Lives here: transfers by HTTP, FTP and SFTP (blocking, each in a thread of its own), the record of an update and what
follows from it, bundles and what is blackened in them. Must not live here: charging, OCPP's words, the journal, tasks
that run for ever (``runtime``). Installers are drivers (``drivers.installer``). May be imported by runtime, app and
cli; nothing of it loads before the boot notification.
"""
