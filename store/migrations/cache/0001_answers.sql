-- Answers by request key, in the order they were stored (seq).
CREATE TABLE answers (
  seq   INTEGER PRIMARY KEY,
  key   TEXT    NOT NULL UNIQUE,
  at    INTEGER NOT NULL, -- Unix milliseconds
  value BLOB    NOT NULL
) STRICT;
CREATE INDEX answers_at ON answers (at);
