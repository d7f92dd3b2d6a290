-- A pack holds at most 32 records now: it goes with the last of them, and not
-- before.
DROP TRIGGER packs_emptied;
CREATE TRIGGER packs_emptied AFTER DELETE ON decisions
WHEN NOT EXISTS (SELECT 1 FROM decisions WHERE seq BETWEEN old.pack AND old.pack + 31 AND pack = old.pack)
BEGIN
  DELETE FROM packs WHERE seq = old.pack;
END;
