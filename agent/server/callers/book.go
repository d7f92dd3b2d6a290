package callers

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// What a request may need beside the name of a service.
const (
	Public  = ""        // nothing: everybody may
	Known   = "known"   // a caller that may do anything at all
	Control = "control" // a caller that may see and steer the daemon
)

// Names in figures that no listed caller may have.
const (
	Others = "other" // all who are not listed
	Holder = "token" // who sends the token of the listener
)

// Book is who may call, and what they did so far. Its methods may be called
// from any goroutine. Make it with [New].
type Book struct {
	mu     sync.Mutex // guards tallies; held by Set and Figures only
	kept   map[string]*tally
	order  []string
	page   atomic.Pointer[page]
	flight atomic.Int64 // asks in flight, of all
}

// page is the book as the latest rules have it.
type page struct {
	byUID     map[uint32]*caller
	byToken   []*caller
	tokens    bool // some are known
	strangers bool
	open      bool // nobody is listed and there is no token: the device is trusted as a whole
	other     *caller
	asks      int64
}

// caller is one of a page.
type caller struct {
	name     string
	key      [sha256.Size]byte // of its token
	services []string
	all      bool // services does not count
	bound    int64
	limit    *rate.Limiter // nil is none
	*tally
}

// New is a book in which everybody may do everything.
func New() *Book {
	b := &Book{kept: map[string]*tally{}}
	b.Set(Rules{Strangers: true})
	return b
}

// Set puts the rules in force from the next request on. Callers keep their
// figures, and their rate as it stands where it is the same.
func (b *Book) Set(r Rules) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &page{byUID: map[uint32]*caller{}, strangers: r.Strangers, asks: int64(r.Asks)}
	b.order = nil
	for _, rule := range r.Listed {
		c := b.caller(rule, r.Asks)
		if rule.UID != nil {
			p.byUID[*rule.UID] = c
			continue
		}
		p.byToken = append(p.byToken, c)
	}
	if r.Token != "" {
		p.byToken = append(p.byToken, b.caller(Rule{Name: Holder, Token: r.Token}, r.Asks))
	}
	p.other = b.caller(Rule{Name: Others}, r.Asks)
	p.tokens = len(p.byToken) > 0
	p.open = r.Strangers && !p.tokens && len(p.byUID) == 0
	b.page.Store(p)
}

// caller is the rule with the figures of its name. The lock is held.
func (b *Book) caller(r Rule, asks int) *caller {
	t := b.kept[r.Name]
	if t == nil {
		t = newTally()
		b.kept[r.Name] = t
	}
	b.order = append(b.order, r.Name)
	c := &caller{name: r.Name, key: sha256.Sum256([]byte(r.Token)), services: r.Services, all: r.Services == nil, tally: t}
	if r.Share > 0 && r.Share < 1 && asks > 0 {
		c.bound = max(1, int64(r.Share*float64(asks)))
	}
	c.limit = t.limiter(r.Rate)
	return c
}

// Admit tells whether the request may have what it needs: [Public], [Known],
// [Control] or the name of a service, which makes it an ask. The error is a
// [*Refusal]. Leave must be called when the request is over.
func (b *Book) Admit(r *http.Request, need string) (Pass, error) {
	if need == Public {
		return Pass{}, nil
	}
	p, line := b.page.Load(), LineOf(r)
	line.now = ""
	c, err := p.find(r, line, need)
	if err != nil {
		return Pass{}, err
	}
	c.requests.Add(1)
	if c != p.other {
		line.now = c.name
	}
	if !c.may(need) {
		return Pass{}, c.refused(errService)
	}
	if need == Known || need == Control {
		return Pass{}, nil
	}
	return b.ask(p, c)
}

// May tells whether [Book.Admit] would let the request have what it needs. It
// counts nothing.
func (b *Book) May(r *http.Request, need string) bool {
	c, err := b.page.Load().find(r, LineOf(r), need)
	return err == nil && c.may(need)
}

// ask takes one of the places of asks in flight.
func (b *Book) ask(p *page, c *caller) (Pass, error) {
	pass := Pass{b, c.tally}
	if all := b.flight.Add(1); p.asks > 0 && all > p.asks {
		b.flight.Add(-1)
		return Pass{}, c.refused(errFull)
	}
	if own := c.inFlight.Add(1); c.bound > 0 && own > c.bound {
		pass.Leave()
		return Pass{}, c.refused(errShare)
	}
	if c.limit == nil {
		return pass, nil
	}
	if wait := c.wait(time.Now()); wait > 0 {
		pass.Leave()
		return Pass{}, c.refused(&Refusal{ReasonRate, wait})
	}
	return pass, nil
}

// find says who sent the request.
func (p *page) find(r *http.Request, line *Line, need string) (*caller, error) {
	if line.unix {
		return p.byUser(line, need)
	}
	if !p.tokens {
		return p.stranger(need, p.open)
	}
	header := r.Header["Authorization"]
	if len(header) == 0 && p.strangers && !p.shared() {
		return p.stranger(need, false)
	}
	if len(header) == 0 {
		return nil, errNoToken
	}
	if len(header) > 1 {
		return nil, errTwoTokens
	}
	return p.byBearer(header[0])
}

func (p *page) byUser(line *Line, need string) (*caller, error) {
	c := p.byUID[line.uid]
	if !line.seen {
		c = nil
	}
	if line.operator() && (need == Control || need == Known) && (c == nil || !c.may(need)) {
		return p.other, nil
	}
	if c != nil {
		return c, nil
	}
	return p.stranger(need, true)
}

// stranger is somebody not listed; steer tells whether such a one may see and
// steer the daemon from where it is.
func (p *page) stranger(need string, steer bool) (*caller, error) {
	if !p.strangers || need == Control && !steer {
		return nil, errStranger
	}
	return p.other, nil
}

// byBearer compares with every token, however early one fits.
func (p *page) byBearer(header string) (*caller, error) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, errNoToken
	}
	key := sha256.Sum256([]byte(strings.TrimSpace(token)))
	var found *caller
	for _, c := range p.byToken {
		if subtle.ConstantTimeCompare(key[:], c.key[:]) == 1 {
			found = c
		}
	}
	if found == nil {
		return nil, errBadToken
	}
	return found, nil
}

// shared tells whether the listener has a token, without which nobody comes in.
func (p *page) shared() bool {
	return p.tokens && p.byToken[len(p.byToken)-1].name == Holder
}

func (c *caller) may(need string) bool {
	return need == Known || c.all || slices.Contains(c.services, need)
}

// wait is how long a caller with a limit must wait before it may ask; 0 is not
// at all.
func (c *caller) wait(now time.Time) time.Duration {
	turn := c.limit.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait > 0 {
		turn.CancelAt(now)
	}
	return wait
}

// Pass is a request that was let in. The zero Pass holds nothing.
type Pass struct {
	book  *Book
	tally *tally
}

// Asks tells whether it is an ask.
func (p Pass) Asks() bool { return p.book != nil }

// Leave gives back the place of an ask that is over.
func (p Pass) Leave() {
	if p.book == nil {
		return
	}
	p.tally.inFlight.Add(-1)
	p.book.flight.Add(-1)
}
