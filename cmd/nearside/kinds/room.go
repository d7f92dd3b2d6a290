package kinds

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"nearside/agent/config"
	"nearside/cloud/parcel"
	"nearside/policy"
	"nearside/policy/calib"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// Options are what a room is made of; all but Free are needed.
type Options struct {
	Dir     string                                                        // of the files that documents name; "": such documents are not taken
	Via     func() (http.RoundTripper, error)                             // by which one is fetched, made for each
	Online  func() bool                                                   // false: there is known to be no network
	Metered func() bool                                                   // bytes cost money
	Free    func() (int64, error)                                         // bytes free on the disk; nil is not known
	Given   func() (cfg *config.Config, own *policy.Document)             // by hand, without what came from outside
	Renew   func()                                                        // puts in force what [Room.Over] makes of it now
	Offer   func(ctx context.Context, envelope []byte, from string) error // brings an envelope again whose files have come
	Log     *slog.Logger
}

// Room is where documents of these kinds are judged and put in force, and the
// files they name are fetched. Its methods may be called from any goroutine.
type Room struct {
	o      Options
	opened chan struct{} // closed when there is a yard
	due    chan struct{} // what waits is to be looked at again; room for one
	later  chan struct{} // in a while; room for one

	mu      sync.Mutex // guards what follows; held while the yard is told, never the other way about
	yard    *parcel.Yard
	set     Set
	notes   []Note
	late    map[string]*waiter   // in force by the record, without their files
	waiting map[string][]*waiter // by kind, the newest first
	kept    map[string][]parcel.Wish
	came    int  // files, so far
	rotten  bool // a file came that a document in force had lost

	looked     *waiter       // the document last looked at, if it waits for files
	judged     []parcel.Wish // its files, if it does not
	cameBefore int           // that look: files
}

// NewRoom makes a room with nothing in it. It touches no disk.
func NewRoom(o Options) *Room {
	return &Room{
		o: o, opened: make(chan struct{}), due: make(chan struct{}, 1), later: make(chan struct{}, 1),
		late: map[string]*waiter{}, waiting: map[string][]*waiter{}, kept: map[string][]parcel.Wish{},
	}
}

// Hook takes documents of one kind.
type Hook struct {
	room *Room
	kind string
}

// Hook is for documents of that kind, one of [Names].
func (r *Room) Hook(kind string) *Hook { return &Hook{r, kind} }

// Validate tells why a document may not be put in force on this device, as a
// [*seal.Refusal]. It is refused with [trial.WaitsForFiles] until the files that
// it names are here; [Room.Waits] has them fetched.
func (h *Hook) Validate(_ context.Context, p *seal.Payload) error {
	d, err := h.room.look(p)
	if err != nil {
		return err
	}
	cfg, own := h.room.o.Given()
	_, notes := h.room.now().With(h.kind, d).Over(cfg, own)
	for _, n := range notes {
		if n.Kind == h.kind && n.Whole {
			return &seal.Refusal{Reason: trial.Invalid, Detail: n.Text}
		}
	}
	return nil
}

// Apply puts a document in force, nil for none, and no older one waits any more.
// One whose files were lost while the daemon did not run, or cannot be read now,
// is in force as soon as they can.
func (h *Hook) Apply(_ context.Context, p *seal.Payload) error {
	r := h.room
	if p == nil {
		r.put(h.kind, nil, nil)
		return nil
	}
	came := r.Came()
	d, wishes, err := r.open(p)
	late := seal.Reason(err) == trial.WaitsForFiles
	if err != nil && !late {
		return err
	}
	r.put(h.kind, d, &waiter{of: p, wishes: wishes})
	if late && r.Came() != came { // before it was known to be late
		knock(r.due)
	} else if late {
		knock(r.later)
	}
	return nil
}

// put has a document in force, with a nil d as soon as its files are here, or
// none.
func (r *Room) put(kind string, d Document, p *waiter) {
	r.mu.Lock()
	had := r.set[kind] != nil || r.late[kind] != nil
	r.set, r.judged = r.set.With(kind, d), nil
	delete(r.kept, kind)
	if delete(r.late, kind); p != nil && d == nil {
		r.late[kind] = p
	}
	r.waiting[kind] = slices.DeleteFunc(r.waiting[kind], func(w *waiter) bool { return p == nil || !w.newer(p) })
	r.wish()
	r.mu.Unlock()
	if had || p != nil {
		r.o.Renew()
	}
}

// Drop has nothing in force and nothing wait: another steers, or nobody does. Files that
// are here stay until the next start, since another may want them at once.
func (r *Room) Drop() {
	r.mu.Lock()
	had := len(r.set)+len(r.late) > 0
	for _, kind := range Names() {
		if all := r.wishes(kind); len(all) > 0 {
			r.kept[kind] = kept(all)
		}
	}
	r.set, r.late, r.waiting, r.looked, r.judged = nil, map[string]*waiter{}, map[string][]*waiter{}, nil, nil
	r.wish()
	if r.yard != nil {
		r.yard.Retry() // by the trust and the proxy of another, maybe
	}
	r.mu.Unlock()
	if had {
		r.o.Renew()
	}
}

// kept is those wishes for as long as their files are here.
func kept(all []parcel.Wish) []parcel.Wish {
	all = slices.Clone(all)
	for i := range all {
		all[i].Kept = true
	}
	return all
}

func (r *Room) now() Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set
}

// open reads a document, what files it names, and those. Some may not be here.
func (r *Room) open(p *seal.Payload) (Document, []parcel.Wish, error) {
	d, err := Read(p)
	if err != nil {
		return nil, nil, &seal.Refusal{Reason: trial.Invalid, Detail: err.Error()}
	}
	wishes := d.Wishes()
	d, err = r.load(d, wishes)
	return d, wishes, err
}

// load reads the files of a document. One that cannot be read now says nothing of
// the document, which waits for it as for one that is not here.
func (r *Room) load(d Document, wishes []parcel.Wish) (Document, error) {
	read := Reader(nil)
	if len(wishes) > 0 {
		yard, err := r.files()
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(wishes, func(w parcel.Wish) bool { return !yard.Has(w.File) }); i >= 0 {
			return nil, waits(wishes[i].Name + " is being fetched; the document is looked at again when it is here")
		}
		read = func(f parcel.File) ([]byte, error) {
			data, err := yard.Read(f)
			if err != nil {
				err = waits("what it names is not here, and is looked for again: " + err.Error())
			}
			return data, err
		}
	}
	err := d.Load(read)
	if err == nil {
		return d, nil
	}
	if seal.Reason(err) == trial.WaitsForFiles {
		return nil, err
	}
	return nil, &seal.Refusal{Reason: trial.Invalid, Detail: err.Error()}
}

func waits(detail string) error {
	return &seal.Refusal{Reason: trial.WaitsForFiles, Detail: detail}
}

// files is the yard, opened when it is first needed.
func (r *Room) files() (*parcel.Yard, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.yard != nil {
		return r.yard, nil
	}
	if r.o.Dir == "" {
		return nil, &seal.Refusal{Reason: trial.Invalid, Detail: "files cannot be kept: this device has no state folder"}
	}
	yard, err := parcel.Open(parcel.Options{
		Dir: r.o.Dir, Via: via(r.o.Via), Got: r.got, Online: r.o.Online, Metered: r.o.Metered, Free: r.o.Free, Log: r.o.Log,
	})
	if err != nil {
		return nil, waits("what it names cannot be kept now; that is tried again: " + err.Error())
	}
	r.yard = yard
	r.wish()
	close(r.opened)
	return yard, nil
}

// via is a way to fetch that is made for each file: the config may be another by
// then, and what cannot be made now may be later.
type via func() (http.RoundTripper, error)

func (v via) RoundTrip(q *http.Request) (*http.Response, error) {
	to, err := v()
	if err != nil {
		return nil, err
	}
	return to.RoundTrip(q)
}

// Run fetches files, and offers again what waited for them, until ctx ends.
func (r *Room) Run(ctx context.Context) error {
	if _, err := os.Stat(r.o.Dir); err == nil {
		if _, err := r.files(); err != nil { // it is tried again when they are needed
			r.o.Log.Warn("files from outside", "err", err)
		}
	}
	var again sync.WaitGroup
	again.Go(func() { r.again(ctx) })
	defer again.Wait()
	select {
	case <-ctx.Done():
		return nil
	case <-r.opened:
	}
	yard, err := r.files()
	if err != nil {
		return err
	}
	return yard.Run(ctx)
}

// Wake has files looked for again, such as when the network came back, or is
// another.
func (r *Room) Wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.yard != nil {
		r.yard.Retry()
	}
}

// Over is the config with what is in force laid over it, see [Set.Over].
func (r *Room) Over(cfg *config.Config, own *policy.Document) *config.Config {
	next, notes := r.now().Over(cfg, own)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range notes {
		if n.Whole && !slices.Contains(r.notes, n) {
			r.o.Log.Warn("a document from outside does not fit this device", "kind", n.Kind, "why", n.Text)
		}
	}
	r.notes = notes
	return next
}

// Table is the signed calibration of a model, see [Set.Table].
func (r *Room) Table(sha256 string) *calib.Table { return r.now().Table(sha256) }

// Said is what an operator should know of the documents in force: what of them
// does not hold here, and what they wait for.
func (r *Room) Said() []Note {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.notes)
	for kind := range r.late {
		all = append(all, Note{Kind: kind, Text: "its files are not here any more; the device's own holds until they are fetched", Whole: true, Late: true})
	}
	slices.SortStableFunc(all, func(a, b Note) int { return strings.Compare(a.Kind, b.Kind) })
	return all
}

// Missing are the files that are being fetched.
func (r *Room) Missing() []parcel.Status {
	r.mu.Lock()
	yard := r.yard
	r.mu.Unlock()
	if yard == nil {
		return nil
	}
	return yard.Status()
}
