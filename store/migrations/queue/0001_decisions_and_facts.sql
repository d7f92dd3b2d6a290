-- Decision records by id, in the order they were recorded (seq).
CREATE TABLE decisions (
  seq   INTEGER PRIMARY KEY,
  key   TEXT    NOT NULL UNIQUE,
  at    INTEGER NOT NULL, -- Unix milliseconds
  value BLOB    NOT NULL
) STRICT;
CREATE INDEX decisions_at ON decisions (at);

-- Small things that must outlast a power cut.
CREATE TABLE facts (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
