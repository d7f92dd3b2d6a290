package callers

import "time"

// Reason is why a caller was refused: one of a short list, fit for a metric.
type Reason string

// Reasons.
const (
	ReasonNoToken   Reason = "no_token"   // a token is needed over TCP and there is none
	ReasonTwoTokens Reason = "two_tokens" // more than one Authorization header
	ReasonBadToken  Reason = "bad_token"  // one that nobody has
	ReasonStranger  Reason = "stranger"   // not listed, and strangers may not
	ReasonService   Reason = "service"    // listed, and not for this service
	ReasonRate      Reason = "rate"       // too many asks in a minute
	ReasonShare     Reason = "share"      // too many of its asks in flight
	ReasonFull      Reason = "full"       // too many of everybody's
)

// Reasons lists them all.
func Reasons() []Reason {
	return []Reason{ReasonNoToken, ReasonTwoTokens, ReasonBadToken, ReasonStranger, ReasonService, ReasonRate, ReasonShare, ReasonFull}
}

// Refusal is the error of a caller that was not let in.
type Refusal struct {
	Reason Reason
	Wait   time.Duration // until another try can help; 0 is not known or never
}

var (
	errNoToken   = &Refusal{Reason: ReasonNoToken}
	errTwoTokens = &Refusal{Reason: ReasonTwoTokens}
	errBadToken  = &Refusal{Reason: ReasonBadToken}
	errStranger  = &Refusal{Reason: ReasonStranger}
	errService   = &Refusal{Reason: ReasonService}
	errShare     = &Refusal{Reason: ReasonShare}
	errFull      = &Refusal{Reason: ReasonFull}
)

// Error is the reason as one word; what a caller reads is the server's to say.
func (r *Refusal) Error() string { return "refused: " + string(r.Reason) }
