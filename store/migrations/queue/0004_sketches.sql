-- Hashes and counts of the question's words, for the newest labels; NULL where
-- there are none. See policy/deferral.
ALTER TABLE labels ADD COLUMN sketch BLOB CHECK (length(sketch) <= 8192);
CREATE INDEX labels_sketch ON labels (seq) WHERE sketch IS NOT NULL;
