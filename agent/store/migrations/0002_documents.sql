-- Small values of other rooms, by kind and key: charging profiles, reservations, lists.
CREATE TABLE documents (
  number         INTEGER PRIMARY KEY,                -- order of arrival
  kind           TEXT    NOT NULL,
  name           TEXT    NOT NULL,
  body           BLOB    NOT NULL,                   -- JSON of the room that owns the kind
  crc32          INTEGER NOT NULL,                   -- over kind, name and body
  UNIQUE (kind, name)
) STRICT;
