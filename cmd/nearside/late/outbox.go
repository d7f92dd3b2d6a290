package late

import (
	"context"
	"errors"
	"strconv"
	"time"

	"nearside/cloud/push"
	"nearside/store"
)

// Outbox is the store's outbox for those who may come before it is open; it fits
// a [push.Link].
type Outbox struct{ late *Store }

// Outbox is where notes wait until they are told.
func (l *Store) Outbox() Outbox { return Outbox{l} }

// lastSession is the fact that holds the newest session number.
const lastSession = "push.session"

var errNotOpen = errors.New("the store is not open yet")

// Add keeps a note. While the store is being opened it waits for it a moment;
// a note that has to wait for longer is kept in memory until then.
func (o Outbox) Add(ctx context.Context, n push.Note) error {
	if s := o.late.Wait(ctx); s != nil {
		return s.Add(ctx, store.Note(n))
	}
	o.late.keep(func(s *store.Store) { s.Add(context.Background(), store.Note(n)) })
	return nil
}

// Pending lists the oldest notes.
func (o Outbox) Pending(ctx context.Context, limit int) ([]push.Note, error) {
	s := o.late.Wait(ctx)
	if s == nil {
		return nil, errNotOpen
	}
	list, err := s.Pending(ctx, limit)
	notes := make([]push.Note, len(list))
	for i, n := range list {
		notes[i] = push.Note(n)
	}
	return notes, err
}

// Done forgets notes that were told.
func (o Outbox) Done(ctx context.Context, ids ...int64) error {
	s := o.late.Wait(ctx)
	if s == nil {
		return errNotOpen
	}
	return s.Done(ctx, ids...)
}

// Held is how many notes wait, and how many were given up since the state folder
// was made. It waits for nothing.
func (o Outbox) Held() (depth, dropped int64) {
	s := o.late.Now()
	if s == nil {
		return 0, 0
	}
	return s.Depth(), s.Dropped()
}

// Session is the number of the next session: more than the last, also before a
// restart, and at least least. It is no less than the seconds since 1970 either,
// so that it grows where the state folder was lost. One caller at a time.
func (o Outbox) Session(ctx context.Context, least int64) (int64, error) {
	s := o.late.Wait(ctx)
	if s == nil {
		return 0, errNotOpen
	}
	text, _, err := s.Fact(ctx, lastSession)
	if err != nil {
		return 0, err
	}
	last, _ := strconv.ParseInt(text, 10, 64) // what is no number is none
	next := max(last+1, least, time.Now().Unix())
	return next, s.SetFact(ctx, lastSession, strconv.FormatInt(next, 10))
}
