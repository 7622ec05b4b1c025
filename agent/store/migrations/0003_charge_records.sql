-- The station's own book of charges: one row for each ended transaction, the newest 5,000.
CREATE TABLE charge_records (
  number         INTEGER PRIMARY KEY,
  transaction_id TEXT    NOT NULL UNIQUE,
  record         BLOB    NOT NULL,                   -- JSON of agent.store.records.ChargeRecord
  crc32          INTEGER NOT NULL,                   -- over transaction_id and record
  csms_id        TEXT
) STRICT;
