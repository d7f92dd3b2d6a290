-- What was found out about answers, in the order it was (seq): one row per
-- decision and source. No text of a prompt or an answer is in it.
CREATE TABLE labels (
  seq        INTEGER PRIMARY KEY,
  decision   TEXT    NOT NULL,
  source     TEXT    NOT NULL,
  at         INTEGER NOT NULL, -- of the decision, Unix milliseconds
  target     TEXT    NOT NULL,
  model      TEXT    NOT NULL, -- identity, "" when it is not known
  task       TEXT    NOT NULL,
  score      REAL,             -- NULL when it is not known
  good       REAL    NOT NULL,
  propensity REAL    NOT NULL,
  weight     REAL    NOT NULL,
  UNIQUE (decision, source)
) STRICT;
CREATE INDEX labels_at ON labels (at);
CREATE INDEX labels_model ON labels (model, seq);
