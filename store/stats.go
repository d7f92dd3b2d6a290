package store

// State is the health of one file in a word.
type State string

// What State can be. A file that was replaced at boot and works says so until the
// next start.
const (
	StateOK          State = "ok"
	StateMemory      State = "memory"      // works, and is gone after Close
	StateQuarantined State = "quarantined" // works; its damaged predecessor was moved aside
	StateFull        State = "full"        // no room on the disk, or in the quota for facts: the oldest make way, or writes fail
	StateFailing     State = "failing"     // the last write failed for another reason
)

// Stats is how full and how healthy the two files are.
type Stats struct{ Queue, Cache FileStats }

// FileStats speaks of one file. Counts begin at Open.
type FileStats struct {
	State     State
	Rows      int64  // answers, or decisions
	Bytes     int64  // in use within the file
	Quota     int64  // most that Bytes may become
	Waiting   int    // queued, not yet written
	Dropped   uint64 // given up: the queue was full or the write failed
	TooLarge  uint64 // refused for their size
	Evicted   uint64 // removed for their age or for room
	Aside     string // name of the damaged file that was moved aside at Open
	LastError string // of the last write that failed
}

// health is what changes about a file while it is open.
type health struct {
	rows, pages                int64
	dropped, tooLarge, evicted uint64
	trouble                    State // empty if the last write succeeded
	lastError                  string
}

// Stats reads counters only; it is cheap and never waits for the disk.
func (s *Store) Stats() Stats {
	lean := s.folder.lean()
	stats := Stats{Queue: s.queue.stats(lean), Cache: s.cache.stats(lean)}
	stats.Queue.Waiting = s.history.backlog.len()
	stats.Cache.Waiting = s.answers.backlog.len()
	return stats
}

func (f *file) stats(lean bool) FileStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.health
	return FileStats{
		State: f.state(lean), Rows: h.rows, Bytes: h.pages * pageSize, Quota: f.quota, Aside: f.aside,
		Dropped: h.dropped, TooLarge: h.tooLarge, Evicted: h.evicted, LastError: h.lastError,
	}
}

// state is called with mu held.
func (f *file) state(lean bool) State {
	switch {
	case f.health.trouble != "":
		return f.health.trouble
	case f.path == "":
		return StateMemory
	case lean:
		return StateFull
	case f.aside != "":
		return StateQuarantined
	}
	return StateOK
}

// rows is how many there are.
func (f *file) rows() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.health.rows
}

// pages is how many were in use after the last batch.
func (f *file) pages() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.health.pages
}

func (f *file) noteDropped(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.health.dropped += uint64(n)
}

func (f *file) noteTooLarge(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.health.tooLarge += uint64(n)
}

func (f *file) noteChange(c change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.health.rows += c.rows
	f.health.pages = c.pages
	f.health.evicted += uint64(c.evicted)
}

// noteWrite keeps the outcome of a write and logs when it turns bad or good.
func (f *file) noteWrite(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.health.trouble
	f.health.trouble = troubleOf(err)
	if err != nil {
		f.health.lastError = err.Error()
	}
	if f.health.trouble != was {
		f.log.Warn("store file changed state", "file", f.name, "state", f.state(false), "error", err)
	}
}

func troubleOf(err error) State {
	switch {
	case err == nil:
		return ""
	case isFull(err):
		return StateFull
	}
	return StateFailing
}
