-- Facts that wait for delivery, in this order. Delivered ones are deleted.
CREATE TABLE facts (
  seq            INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused: a seq names one fact for ever
  transaction_id TEXT    NOT NULL,
  kind           TEXT    NOT NULL CHECK (kind IN ('started', 'periodic', 'updated', 'ended')),
  fact           BLOB    NOT NULL,                   -- JSON of agent.model.facts
  crc32          INTEGER NOT NULL,                   -- over transaction_id, kind and fact
  message_id     TEXT    NOT NULL,
  utc_s          REAL,                               -- fixed at the first rendering, where the fact knew none
  attempts       INTEGER NOT NULL DEFAULT 0,
  sent           INTEGER NOT NULL DEFAULT 0,
  last_error     TEXT    NOT NULL DEFAULT ''
) STRICT;

-- Facts that were given up: kept, shown, exported, never sent again by themselves.
CREATE TABLE dead_letters (
  seq            INTEGER PRIMARY KEY,
  transaction_id TEXT    NOT NULL,
  kind           TEXT    NOT NULL,
  fact           BLOB    NOT NULL,
  crc32          INTEGER NOT NULL,
  message_id     TEXT    NOT NULL,
  utc_s          REAL,
  attempts       INTEGER NOT NULL,
  sent           INTEGER NOT NULL,
  last_error     TEXT    NOT NULL,
  csms_id        TEXT
) STRICT;

-- Transactions until their last fact is delivered. record is NULL where only the CSMS's name survived a salvage.
CREATE TABLE transactions (
  transaction_id TEXT    PRIMARY KEY,
  evse_id        INTEGER,
  record         BLOB,                               -- JSON of agent.model.facts.TransactionRecord
  crc32          INTEGER,                            -- over record
  ended          INTEGER NOT NULL DEFAULT 0,
  csms_id        TEXT,
  start_lost     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE variables (
  key            TEXT    PRIMARY KEY,
  value          TEXT    NOT NULL,
  source         TEXT    NOT NULL,
  file_value     TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE authorizations (
  number         INTEGER PRIMARY KEY,                -- grows: the oldest goes first
  token_key      TEXT    NOT NULL UNIQUE,            -- the token's value, case-folded
  token          BLOB    NOT NULL,                   -- JSON of agent.model.ids.IdToken
  verdict        TEXT    NOT NULL,
  group_id       TEXT,
  expires_utc_s  REAL
) STRICT;

CREATE TABLE availability (
  evse_id        INTEGER NOT NULL,                   -- 0: the station
  connector_id   INTEGER NOT NULL,                   -- 0: the whole EVSE
  operative      INTEGER NOT NULL,
  PRIMARY KEY (evse_id, connector_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE boots (
  number               INTEGER PRIMARY KEY AUTOINCREMENT,
  boot_id              TEXT NOT NULL UNIQUE,
  anchor_utc_minus_mono_s REAL                       -- set once, when the time of day became known
) STRICT;

CREATE TABLE meta (
  key            TEXT    PRIMARY KEY,
  value          TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
