package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"nearside/policy/seal"
)

// TestAttackClock: a clock that is turned back makes nothing young again, one
// that is turned forward makes nothing ripe, and neither keeps a good policy
// out.
func TestAttackClock(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64 // seconds since 1970
	now := func() time.Time { return time.Unix(clock.Load(), 0) }
	clock.Store(time.Now().Unix())
	c := newCouncil(t)
	s := c.unsteered(t)
	stop := s.inProcess(now)
	s.settle()
	with := func(version int64, field string, from time.Duration) string {
		return c.policy(version, `"kind":`, fmt.Sprintf(`%q:%q,"kind":`, field, at(from)))
	}
	good := func(version int64) string { return with(version, "not_after", 24*time.Hour) }
	turn := func(to int64, state string) {
		t.Helper()
		clock.Store(to)
		until(t, "the clock is "+state, patience, func() bool { return s.standing().Clock.State == state })
	}
	turn(0, seal.ClockUnknown)
	s.repel(assault{"clock turned back", with(21, "not_after", -time.Hour), seal.Expired})
	s.apply(good(10), 0)
	turn(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), seal.ClockFloor)
	s.repel(
		assault{"clock turned forward", with(22, "not_before", 50*365*24*time.Hour), seal.NotYetValid + "/the clock is not known"},
		assault{"clock turned forward, expired", with(22, "not_after", -time.Hour), seal.Expired},
	)
	if now := s.standing(); now.Expired {
		t.Error("what is in force is called expired by a clock that is not to be believed")
	}
	s.apply(good(11), 0)
	s.inForce(11, "probation")
	stop()
	clock.Store(0)
	s.inProcess(now)
	s.events = s.listen(t.Context(), "")
	s.inForce(11, "probation")
	s.repel(assault{"clock turned back over a restart", with(23, "not_after", -time.Hour), seal.Expired})
	turn(time.Now().Unix(), seal.ClockTrusted)
	s.apply(good(12), 0)
	s.inForce(12, "probation")
}

// TestAttackState: whoever deletes, damages or sets back one copy of what the
// device took changes nothing, and is noticed; one who has both has a device
// that still takes only what the council signed.
func TestAttackState(t *testing.T) {
	t.Parallel()
	c := newCouncil(t)
	s := c.besieged(t)
	record, queue := filepath.Join(s.dir, "state", "policy", "record"), filepath.Join(s.dir, "state", "queue.db")
	s.stop()
	old, err := os.ReadFile(record)
	must(t, "read the record", err)
	backup := filepath.Join(s.dir, "backup")
	must(t, "make a backup", os.CopyFS(backup, os.DirFS(filepath.Join(s.dir, "state"))))
	s.start()
	s.apply(s.policy(8), 0)
	whole := s.inForce(8, "probation")
	for i, a := range []struct {
		name string
		do   func() error
	}{
		{"deleted floor file", func() error { return os.RemoveAll(filepath.Dir(record)) }},
		{"damaged floor file", func() error { return os.Truncate(record, 100) }},
		{"older floor file", func() error { return os.WriteFile(record, old, 0o600) }},
		{"deleted fact", func() error { return changed(queue, `DELETE FROM facts WHERE name = 'remote'`) }},
		{"older fact", func() error { return changed(queue, `UPDATE facts SET value = ? WHERE name = 'remote'`, string(old)) }},
	} {
		t.Run(a.name, func(t *testing.T) {
			s.house.t = t
			s.stop()
			must(t, a.name, a.do())
			s.start()
			s.events = s.listen(t.Context(), "1")
			hears(t, s.events, "policy", "floor_restored")
			until(t, "the other copy is in force", patience, func() bool { return s.standing().Version == 8 })
			s.repels(t, seal.OlderVersion, func() { s.apply(s.policy(7, "rules", "rules"+strings.Repeat(" ", i+1)), 3) })
			s.unmoved(t, whole)
		})
	}
	s.house.t = t
	s.stop()
	s.setBack(t, backup)
}

// setBack puts the backup of a whole state folder in the place of what is there,
// and then nothing.
func (s *siege) setBack(t *testing.T, backup string) {
	t.Helper()
	state := filepath.Join(s.dir, "state")
	must(t, "remove the state", os.RemoveAll(state))
	must(t, "restore the backup", os.Rename(backup, state))
	s.start()
	s.events = s.listen(t.Context(), "")
	s.inForce(7, "probation")
	s.repel(
		assault{"older backup of both, and an older policy", s.policy(6), seal.OlderVersion},
		assault{"older backup of both, and a revoked key", s.envelope(seal.PolicyType, s.words(9), s.d, s.a), seal.TooFewSignatures},
	)
	s.apply(s.policy(8), 0) // it catches up with the first word from the operator
	s.inForce(8, "probation")
	s.stop()
	must(t, "remove the state", os.RemoveAll(state))
	s.start()
	s.events = s.listen(t.Context(), "")
	s.inForce(0, "factory")
	s.repel(assault{"deleted both, and a stranger", s.envelope(seal.PolicyType, s.words(9), s.stranger), seal.UnknownKey})
	s.apply(s.second(), 0)
	s.apply(s.policy(8), 0)
	s.inForce(8, "probation")
}

// changed changes a database whose daemon is stopped.
func changed(path, statement string, args ...any) error {
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		return err
	}
	defer db.Close()
	done, err := db.Exec(statement, args...)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%d rows changed, %v", n, err)
	}
	return nil
}
