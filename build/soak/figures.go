package main

import "math"

// What a daemon may grow by in the second half of a run, however long. A flood
// leaves some 28 connections to clouds that hung up, which are looked at every 15 s:
// in a short run there may be as many at the end, and few in the middle.
const (
	mostMemory      = 8 // MiB
	mostDescriptors = 32
	mostGoroutines  = 16
	mostThreads     = 8
)

func (s *soak) figures() []figure {
	any, none := math.Inf(1), 0.0
	t := &s.tally
	list := []figure{
		{"answered", t.count(answered), "asks", 1, any},
		{"answered_streams", t.count("stream " + answered), "asks", 1, any},
		{"answered_local", t.count("local " + answered), "asks", 1, any},
		{"answered_private", t.count("private " + answered), "asks", 1, any},
		{"refused", t.count(refused), "asks", 0, any},
		{"refused_bad", t.count("bad " + refused), "asks", 1, any},
		{"broken_told", t.count(broken), "streams", 0, any},
		{"left", t.count(left), "asks", 1, any},
		{"killed_meanwhile", t.count(killed), "asks", 0, any},
		{"kills", float64(s.kills), "kills", 1, any},
		{"lost", t.count(lost), "asks", 0, none},
		{"wrong", t.count(wrong), "asks", 0, none},
		{"cut_silently", t.count(cut), "streams", 0, none},
		{"dropped", t.count(dropped), "asks", 0, none},
		{"leaked", t.count(leaked) + float64(s.leaks.Load()), "asks", 0, none},
		{"store_unwell", float64(s.unwell), "files", 0, none},
		{"left_behind", float64(s.orphans), "processes", 0, none},
		{"samples", float64(len(s.samples)), "samples", 3, any},
	}
	less := math.Inf(-1)
	return append(list,
		figure{"memory_growth", growth(s.samples, func(m sample) float64 { return m.memory }), "MiB", less, mostMemory},
		figure{"descriptors_growth", growth(s.samples, func(m sample) float64 { return m.descriptors }), "open", less, mostDescriptors},
		figure{"goroutines_growth", growth(s.samples, func(m sample) float64 { return m.goroutines }), "alive", less, mostGoroutines},
		figure{"threads_growth", growth(s.samples, func(m sample) float64 { return m.threads }), "alive", less, mostThreads},
	)
}
