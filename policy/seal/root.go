package seal

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Root says whose signatures count: at least Threshold of Keys, up to
// [MaxSignatures] of them. A key that the newest root does not list is revoked.
// The zero Tenant is any, the zero Expires never. Payloads of an epoch below
// Epoch are not taken.
type Root struct {
	Version   int64
	Threshold int
	Epoch     int64
	Tenant    string
	Expires   time.Time
	Keys      []Key
}

type rootWire struct {
	Version   int64     `json:"version"`
	Threshold int       `json:"threshold"`
	Keys      []keyWire `json:"keys"`
	Tenant    string    `json:"tenant,omitempty"`
	Expires   string    `json:"expires,omitempty"`
	Epoch     int64     `json:"epoch,omitempty"`
}

type keyWire struct {
	ID  string `json:"keyid"`
	PEM string `json:"pem"`
}

// Encode is the root as the payload of an envelope. One that would be refused
// is an error.
func (r *Root) Encode() ([]byte, error) {
	w := rootWire{Version: r.Version, Threshold: r.Threshold, Tenant: r.Tenant, Expires: written(r.Expires), Epoch: r.Epoch}
	for _, k := range r.Keys {
		w.Keys = append(w.Keys, keyWire{k.ID(), string(k.PEM())})
	}
	b, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("write the root: %w", err)
	}
	if _, err := ReadRoot(b); err != nil {
		return nil, err
	}
	return b, nil
}

// written is a time as documents have it, "" for none.
func written(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// ParseRoot reads the envelope of a root that is trusted because of where it
// lies: in a file that the operator of the device put there. A first root needs
// no signature; a later one must have enough of its own keys, so that one that
// is still being signed is not used by mistake.
func ParseRoot(b []byte) (*Root, error) {
	e, err := Peek(b)
	if err != nil {
		return nil, err
	}
	r, err := e.root()
	if err != nil {
		return nil, err
	}
	if good := r.Good(e); r.Version > 1 && !r.enough(good) {
		return nil, refuse(RootTooFewNew, "root %d has %d good signatures of the %d that it wants of its own keys", r.Version, len(good), r.Threshold)
	}
	return r, nil
}

// Next verifies the root that follows this one: its version is one more, enough
// keys of this root signed it, and enough of its own. Tenant and epoch may not
// be weakened. That this root has expired does not matter, or nothing could
// ever follow it.
func (r *Root) Next(b []byte) (*Root, error) {
	e, err := Open(b)
	if err != nil {
		return nil, err
	}
	if e.Type != RootType {
		return nil, refuse(WrongType, "this is %s, not a root", e.Type)
	}
	if old := r.Good(e); !r.enough(old) {
		return nil, refuse(RootTooFewOld, "%d good signatures by keys of root %d, which wants %d", len(old), r.Version, r.Threshold)
	}
	next, err := e.root()
	if err != nil {
		return nil, err
	}
	if own := next.Good(e); !next.enough(own) {
		return nil, refuse(RootTooFewNew, "%d good signatures by keys of root %d itself, which wants %d", len(own), next.Version, next.Threshold)
	}
	if err := r.follows(next); err != nil {
		return nil, err
	}
	return next, nil
}

// Proof is the envelope of a root that followed this one, with nothing but what
// proves it: what was signed, and the good signatures by keys of both. Whoever
// carries an envelope may add to it what nobody looks at, and who keeps it keeps
// that too.
func (r *Root) Proof(b []byte, next *Root) ([]byte, error) {
	e, err := Peek(b)
	if err != nil {
		return nil, err
	}
	message, slim := Message(e.Type, e.Payload), &Envelope{Type: e.Type, Payload: e.Payload}
	for _, s := range e.Signatures {
		old, inOld := r.find(s.KeyID)
		key, inNew := next.find(s.KeyID)
		twice := slices.ContainsFunc(slim.Signatures, func(o Signature) bool { return o.KeyID == s.KeyID })
		if !twice && (inOld && old.Verifies(message, s.Sig) || inNew && key.Verifies(message, s.Sig)) {
			slim.Signatures = append(slim.Signatures, s)
		}
	}
	return slim.Encode()
}

func (r *Root) follows(next *Root) error {
	switch {
	case next.Version <= r.Version:
		return refuse(RootReplayed, "root %d is not newer than root %d, which is trusted", next.Version, r.Version)
	case next.Version != r.Version+1:
		return refuse(RootSkipped, "root %d does not follow root %d; root %d comes first", next.Version, r.Version, r.Version+1)
	case next.Tenant != r.Tenant && r.Tenant != "":
		return refuse(OtherTenant, "root %d is for tenant %q, root %d for %q", next.Version, next.Tenant, r.Version, r.Tenant)
	case next.Epoch < r.Epoch:
		return refuse(EpochRolledBack, "root %d has epoch %d, root %d has %d", next.Version, next.Epoch, r.Version, r.Epoch)
	}
	return nil
}

// root reads what is in the envelope, whoever signed it.
func (e *Envelope) root() (*Root, error) {
	if e.Type != RootType {
		return nil, refuse(WrongType, "this is %s, not a root", e.Type)
	}
	return ReadRoot(e.Payload)
}

// ReadRoot reads the payload of a root's envelope, whoever signed it. Devices
// call [ParseRoot] and [Root.Next].
func ReadRoot(b []byte) (*Root, error) {
	f, err := parseObject("root", b)
	if err != nil {
		return nil, err
	}
	r := &Root{
		Version: f.Whole("version", 1, false), Threshold: int(f.Whole("threshold", 1, false)), Epoch: f.Whole("epoch", 0, true),
		Tenant: f.Text("tenant", nameForm, true, isName), Expires: f.Moment("expires", true),
	}
	for _, v := range f.List("keys", fmt.Sprintf("a list of at most %d keys", MaxSignatures), MaxSignatures, false) {
		r.Keys = append(r.Keys, f.key(v))
	}
	if err := f.end(); err != nil {
		return nil, err
	}
	if r.Threshold > len(r.Keys) {
		return nil, refuse(Malformed, "root.threshold is %d, but there are %d keys", r.Threshold, len(r.Keys))
	}
	for i, k := range r.Keys {
		if slices.Contains(r.Keys[:i], k) {
			return nil, refuse(Malformed, "root.keys lists %s twice", k.ID())
		}
	}
	return r, nil
}

func (f fields) key(v any) Key {
	in := f.Inner("keys", v)
	id := in.Text("keyid", "16 lower-case hex digits", false, isKeyID)
	text := in.Text("pem", "a public key in PEM", false, func(s string) bool { return len(s) <= maxPEM })
	if in.End() != nil { // told by f
		return Key{}
	}
	k, err := ParsePublic([]byte(text))
	if err != nil {
		f.Fail(fmt.Errorf("root.keys: %s: %w", id, err))
	} else if k.ID() != id {
		f.Fail(fmt.Errorf("root.keys: the key that is called %s is %s", id, k.ID()))
	}
	return k
}

// Good lists the ids of the root's keys whose signature over the envelope is
// right, each once, whether they are enough or not.
func (r *Root) Good(e *Envelope) []string {
	message, ids := Message(e.Type, e.Payload), []string{}
	for _, s := range e.Signatures {
		k, known := r.find(s.KeyID)
		if known && !slices.Contains(ids, s.KeyID) && k.Verifies(message, s.Sig) {
			ids = append(ids, s.KeyID)
		}
	}
	return ids
}

// enough tells whether so many keys may speak for the root; of the zero Root
// there are never enough.
func (r *Root) enough(ids []string) bool { return r.Threshold > 0 && len(ids) >= r.Threshold }

func (r *Root) find(id string) (Key, bool) {
	i := slices.IndexFunc(r.Keys, func(k Key) bool { return k.ID() == id })
	if i < 0 {
		return Key{}, false
	}
	return r.Keys[i], true
}

// Signers lists the ids of the root's keys that signed the envelope, at least
// its threshold; else a [*Refusal]. The same key counts once; keys that the root
// does not list are passed over, as they may be of another root.
func (r *Root) Signers(e *Envelope) ([]string, error) {
	good := r.Good(e)
	if r.enough(good) {
		return good, nil
	}
	if len(e.Signatures) == 0 {
		return nil, refuse(Unsigned, "the envelope has no signature")
	}
	known := 0
	for _, s := range e.Signatures {
		if _, ok := r.find(s.KeyID); !ok {
			continue
		}
		if known++; !slices.Contains(good, s.KeyID) {
			return nil, refuse(BadSignature, "the signature by %s does not fit: the document was altered, or never signed by that key", s.KeyID)
		}
	}
	if known == 0 {
		return nil, refuse(UnknownKey, "root %d lists none of the keys that signed", r.Version)
	}
	return nil, refuse(TooFewSignatures, "%d of the %d keys that root %d wants signed", len(good), r.Threshold, r.Version)
}

// current tells whether documents may be taken by this root at that time.
func (r *Root) current(c Reading) error {
	if !r.Expires.IsZero() && !r.Expires.After(c.Time) {
		return refuse(RootExpired, "root %d ended at %s; nothing new is taken until a newer root comes", r.Version, written(r.Expires))
	}
	return nil
}
