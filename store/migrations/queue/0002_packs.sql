-- Records are much alike: those written together are kept together, compressed.
-- A pack has the seq of the first record in it; the others follow. A record
-- without a pack, as all were before, is the value of its own row.
CREATE TABLE packs (
  seq   INTEGER PRIMARY KEY,
  value BLOB    NOT NULL
) STRICT;
ALTER TABLE decisions ADD COLUMN pack INTEGER;

-- A pack goes with the last of its records; it holds at most 16.
CREATE TRIGGER packs_emptied AFTER DELETE ON decisions
WHEN NOT EXISTS (SELECT 1 FROM decisions WHERE seq BETWEEN old.pack AND old.pack + 15 AND pack = old.pack)
BEGIN
  DELETE FROM packs WHERE seq = old.pack;
END;
