-- What is to be told to a fleet's operator, in the order it came. An id is never
-- given twice, so that a late answer cannot take out another note.
CREATE TABLE outbox (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  key    TEXT    UNIQUE, -- a later note of this key takes its place; NULL is none
  topic  TEXT    NOT NULL,
  body   BLOB    NOT NULL,
  retain INTEGER NOT NULL
) STRICT;
