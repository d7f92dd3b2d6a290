package seal

import (
	"errors"
	"fmt"
)

// Reasons why something is refused. They are names for programs and stay.
const (
	TooLarge         = "too_large"          // more than MaxBytes
	Malformed        = "malformed"          // not the form that it should have
	WrongType        = "wrong_type"         // a document of another type, or of none that is known
	Unsigned         = "unsigned"           // no signature at all
	TooFewSignatures = "too_few_signatures" // good ones, but fewer than the root wants
	UnknownKey       = "unknown_key"        // no signature is by a key of the root
	BadSignature     = "bad_signature"      // a key of the root did not sign these bytes
	UnknownKind      = "unknown_kind"       // a kind of document that this program does not know
	OtherTenant      = "other_tenant"
	OtherChannel     = "other_channel"
	OtherAudience    = "other_audience"
	OlderVersion     = "older_version"     // below the floor
	OtherDigest      = "other_digest"      // the version of the floor with other bytes
	EpochRolledBack  = "epoch_rolled_back" // an epoch below the floor's or the root's
	Expired          = "expired"
	NotYetValid      = "not_yet_valid"
	AgentTooOld      = "agent_too_old"
	WrongPrevious    = "wrong_previous" // made to follow something else than what is in force
	NotInShare       = "not_in_share"   // the rollout does not reach this device yet
	RootReplayed     = "root_replayed"  // not newer than the root that is trusted
	RootSkipped      = "root_skipped"   // newer by more than one
	RootTooFewOld    = "root_too_few_old"
	RootTooFewNew    = "root_too_few_new"
	RootExpired      = "root_expired"
)

// Refusal is why something from outside is not taken: a token for programs and
// a sentence for people.
type Refusal struct {
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
}

func (r *Refusal) Error() string {
	if r.Detail == "" {
		return r.Reason
	}
	return r.Reason + ": " + r.Detail
}

// Reason is the token of the refusal in the error; "" when there is none.
func Reason(err error) string {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

func refuse(reason, format string, args ...any) *Refusal {
	return &Refusal{reason, fmt.Sprintf(format, args...)}
}
