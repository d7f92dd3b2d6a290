package helm

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"nearside/agent/config/strict"
	"nearside/agent/server/steering"
	"nearside/cloud/pull"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// broker is a way to a broker and back, until Run ends.
type broker interface {
	Run(ctx context.Context) error
	Wake()   // there may be something in the outbox
	Online() // the network came back
	Away()   // there is none any more
	stand() *steering.Broker
}

// outbox keeps notes to the operator until they are told.
type outbox interface {
	add(ctx context.Context, n note) error
	stand() steering.Outbox
}

// note is something to be told to the operator.
type note struct {
	topic  string // what follows the device: rep, evt or ack
	key    string // a later note of this key takes its place; "" is none
	retain bool
	body   []byte
}

const maxCA = 1 << 20 // bytes

// via is how addresses are asked: by the trust and the proxy of remote.pull,
// where there is one. A clock that is behind all that is known of the time does
// not make certificates look as if they began later.
func (w *watch) via() (*http.Transport, error) {
	trust := pull.Trust{Now: func() time.Time {
		now, floor := w.helm.o.Now(), w.steer.Status().Clock.Time
		if now.Before(floor) {
			return floor
		}
		return now
	}}
	if p := w.by.Pull; p != nil {
		trust.Proxy = p.Proxy
		if p.CA != "" {
			ca, err := strict.ReadFile(p.CA, maxCA)
			if err != nil {
				return nil, fmt.Errorf("read remote.pull.ca: %w", err)
			}
			trust.CA = ca
		}
	}
	via, err := trust.Transport()
	if err != nil {
		return nil, fmt.Errorf("remote.pull: %w", err)
	}
	return via, nil
}

// address is the puller of the config.
func (w *watch) address() (*pull.Puller, error) {
	p := w.by.Pull
	via, err := w.via()
	if err != nil {
		return nil, err
	}
	source, err := pull.NewHTTPS(p.URL, true, via)
	if err != nil {
		return nil, fmt.Errorf("remote.pull.url %w", err)
	}
	return pull.New(pull.Options{
		Source: source, Every: p.Every, Offer: w.pulled, Online: w.helm.reachable, Metered: w.helm.o.Device.Frugal, Date: w.helm.Heard, Log: w.helm.o.Log,
	})
}

// pulled takes what an address brings. What may be right later is offered again.
func (w *watch) pulled(ctx context.Context, envelope []byte) (settled bool) {
	_, err := w.offer(ctx, envelope, byPull)
	switch seal.Reason(err) {
	case "":
		return err == nil
	case seal.NotYetValid, seal.WrongPrevious, seal.NotInShare, trial.AnswersNothing, trial.NotJudged, "busy", "not_kept":
		return false
	}
	return true
}
