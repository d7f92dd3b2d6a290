package store

import "nearside/store/file"

// Stats is how full and how healthy the two files are.
type Stats struct{ Queue, Cache file.Stats }

// Stats reads counters only; it is cheap and never waits for the disk.
func (s *Store) Stats() Stats {
	lean := s.folder.Lean()
	stats := Stats{Queue: s.queue.Stats(lean), Cache: s.cache.Stats(lean)}
	stats.Queue.Waiting, stats.Cache.Waiting = s.history.Waiting(), s.answers.Waiting()
	return stats
}
