// Package entrance is who may come in, and by what certificate, as the config
// says: it reads tokens and certificates and opens the ways in.
package entrance

import (
	"context"
	"fmt"
	"net"

	"nearside/agent/config"
	"nearside/agent/server/callers"
	"nearside/agent/server/listen"
)

// Entrance is who may come in, and by what certificate.
type Entrance struct {
	book *callers.Book
	cert *listen.Certificate // nil is no TLS
}

// New reads tokens and certificate. A daemon that does not know whom to
// let in does not start.
func New(ctx context.Context, cfg *config.Config) (*Entrance, error) {
	a := &Entrance{book: callers.New()}
	if t := cfg.Listen.TLS; t != nil {
		var err error
		if a.cert, err = listen.LoadCertificate(t.Cert, t.Key); err != nil {
			return nil, err
		}
	}
	r, err := rules(ctx, cfg)
	if err != nil {
		return nil, err
	}
	a.book.Set(r)
	return a, nil
}

// Book is who is calling.
func (a *Entrance) Book() *callers.Book { return a.book }

// Open opens the ways in.
func (a *Entrance) Open(cfg *config.Config) ([]net.Listener, error) {
	return listen.Open(listen.Options{
		Socket: cfg.Listen.Socket, HTTP: cfg.Listen.HTTP, TLS: a.cert, Each: listen.Room(2, cfg.Listen.Asks),
	})
}

// Again reads tokens and certificate anew; what cannot be used leaves the old
// in force.
func (a *Entrance) Again(ctx context.Context, cfg *config.Config) error {
	r, err := rules(ctx, cfg)
	if err != nil {
		return err
	}
	if a.cert != nil {
		if err := a.cert.Reload(); err != nil {
			return err
		}
	}
	a.book.Set(r)
	return nil
}

// Check tells whether tokens and certificate of the config can be used.
// Its error repeats no token.
func Check(ctx context.Context, cfg *config.Config) error {
	_, err := New(ctx, cfg)
	return err
}

// Names are those of the callers in the config.
func Names(cfg *config.Config) []string {
	all := []string{callers.Holder}
	for _, c := range cfg.Callers {
		all = append(all, c.Name)
	}
	return all
}

// rules are the callers of the config with their tokens read. Its error names
// the token that cannot be had, and repeats none.
func rules(ctx context.Context, cfg *config.Config) (callers.Rules, error) {
	r := callers.Rules{Strangers: cfg.StrangersMay(), Asks: cfg.Listen.Asks}
	var err error
	if r.Token, err = cfg.Listen.Token.Resolve(ctx); err != nil {
		return r, fmt.Errorf("listen.token: %w", err)
	}
	for i, c := range cfg.Callers {
		rule := callers.Rule{Name: c.Name, Services: c.Services}
		if rule.Token, err = c.Token.Resolve(ctx); err != nil {
			return r, fmt.Errorf("callers[%d].token: %w", i, err)
		}
		if c.UID != nil {
			uid := uint32(*c.UID)
			rule.UID = &uid
		}
		if c.Rate != nil {
			rule.Rate = callers.Rate{PerMinute: c.Rate.PerMinute, Burst: c.Rate.Burst}
		}
		if c.Share != nil {
			rule.Share = *c.Share
		}
		r.Listed = append(r.Listed, rule)
	}
	return r, r.Check()
}
