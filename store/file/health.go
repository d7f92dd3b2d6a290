package file

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

// Stats is how full and how healthy a file is. Counts begin at Open.
type Stats struct {
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

// Stats reads counters only; it never waits for the disk. What waits for the
// writer is not known here. lean says that the disk is full.
func (f *File) Stats(lean bool) Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.health
	return Stats{
		State: f.state(lean), Rows: h.rows, Bytes: h.pages * PageSize, Quota: f.Quota, Aside: f.aside,
		Dropped: h.dropped, TooLarge: h.tooLarge, Evicted: h.evicted, LastError: h.lastError,
	}
}

// state is called with mu held.
func (f *File) state(lean bool) State {
	switch {
	case f.health.trouble != "":
		return f.health.trouble
	case f.Path == "":
		return StateMemory
	case lean:
		return StateFull
	case f.aside != "":
		return StateQuarantined
	}
	return StateOK
}

// Rows is how many there are.
func (f *File) Rows() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.health.rows
}

// Pages is how many were in use after the last batch.
func (f *File) Pages() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.health.pages
}

// NoteDropped counts what was given up.
func (f *File) NoteDropped(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.health.dropped += uint64(n)
}

// NoteTooLarge counts what was refused for its size.
func (f *File) NoteTooLarge(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.health.tooLarge += uint64(n)
}

// NoteChange takes note of a transaction: so many rows more, or fewer, of which
// so many were removed for their age or for room, and the pages that are in use.
func (f *File) NoteChange(rows, evicted, pages int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.health.rows += rows
	f.health.pages = pages
	f.health.evicted += uint64(evicted)
}

// NoteWrite keeps the outcome of a write and logs when it turns bad or good.
func (f *File) NoteWrite(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.health.trouble
	f.health.trouble = troubleOf(err)
	if err != nil {
		f.health.lastError = err.Error()
	}
	if f.health.trouble != was {
		f.Log.Warn("store file changed state", "file", f.Name, "state", f.state(false), "error", err)
	}
}

func troubleOf(err error) State {
	switch {
	case err == nil:
		return ""
	case IsFull(err):
		return StateFull
	}
	return StateFailing
}
