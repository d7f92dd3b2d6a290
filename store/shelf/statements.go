package shelf

import "strings"

// statements are the SQL texts for one table.
type statements struct {
	get, insert, insertMany, remove, expire, evict, count, keys string

	newest, older, nextSeq, insertPack string // of a table with packs
}

// statementsFor are those for a table whose rows hold their values. SQLite plans a
// statement anew each time its limit is bound, unless that is an expression; and
// an insert of several rows copies each page it changes, lest it have to take back
// some of them, unless it may fail halfway, as it may here: the transaction ends.
func statementsFor(table string) statements {
	name := strings.NewReplacer("TABLE", table)
	insert := name.Replace("INSERT OR FAIL INTO TABLE (key, at, value) VALUES ")
	return statements{
		get:        name.Replace("SELECT value, at, NULL, 0 FROM TABLE WHERE key = ?"),
		insert:     insert + tuples("(?, ?, ?)", 1),
		insertMany: insert + tuples("(?, ?, ?)", insertPiece),
		remove:     name.Replace("DELETE FROM TABLE WHERE key IN (SELECT value FROM json_each(?))"),
		expire:     name.Replace("DELETE FROM TABLE WHERE seq IN (SELECT seq FROM TABLE WHERE at < ? OR at > ? LIMIT ? + 0)"),
		evict:      name.Replace("DELETE FROM TABLE WHERE seq IN (SELECT seq FROM TABLE ORDER BY seq LIMIT ? + 0)"),
		count:      name.Replace("SELECT count(*) FROM TABLE"),
		keys:       name.Replace("SELECT key FROM TABLE"),
	}
}

// statementsForPacked are those for decisions, whose values are in packs.
func statementsForPacked() statements {
	const (
		insert = "INSERT OR FAIL INTO decisions (key, at, seq, pack, value) VALUES "
		tuple  = "(?, ?, ?, ?, x'')"
		// A pack is read once, with the first of its records; the others have NULL.
		list = "SELECT key, value, pack, CASE WHEN pack IS NOT lag(pack) OVER (ORDER BY seq DESC) THEN (SELECT value FROM packs WHERE seq = pack) END, ifnull(seq - pack, 0) " +
			"FROM (SELECT key, value, pack, seq FROM decisions WHERE_OLDER ORDER BY seq DESC LIMIT ? + 0) ORDER BY seq DESC"
	)
	s := statementsFor("decisions")
	s.get = "SELECT d.value, at, p.value, ifnull(d.seq - d.pack, 0) FROM decisions d LEFT JOIN packs p ON p.seq = d.pack WHERE key = ?"
	s.insert = insert + tuples(tuple, 1)
	s.insertMany = insert + tuples(tuple, insertPiece)
	s.newest = strings.Replace(list, "WHERE_OLDER", "", 1)
	s.older = strings.Replace(list, "WHERE_OLDER", "WHERE seq < (SELECT seq FROM decisions WHERE key = ?)", 1)
	s.nextSeq = "SELECT ifnull(max(seq), 0) + 1 FROM decisions"
	s.insertPack = "INSERT INTO packs (seq, value) VALUES (?, ?)"
	return s
}

func tuples(one string, n int) string {
	return strings.Repeat(one+", ", n-1) + one
}
