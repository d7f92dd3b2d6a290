// Package decision has the form in which a decision is kept: what was asked, known
// and planned, which targets were called, and what came of it. A record holds all
// that decide.Plan was given, and no text of question or answer. It is written as
// encoding/json writes it; policy/past and policy/replay read it again.
package decision

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"time"

	"nearside/policy"
)

// Record is what is kept of a decision: all that decide.Plan was given, so that the
// same plan can be computed again, and what came of it. No text of the prompt
// or the answer is in it, and it holds on to none, so that it can wait to be
// encoded.
type Record struct {
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	RequestID string    `json:"request_id"`
	TraceID   string    `json:"trace_id"`
	policy.Ask
	Signals policy.Signals `json:"signals"`
	Policy  string         `json:"policy"`
	policy.Plan
	Attempts []Attempt `json:"attempts"`
	Outcome  Outcome   `json:"outcome"`
}

// Attempt is one call to a target.
type Attempt struct {
	Target  string `json:"target"`
	StartMS int64  `json:"start_ms"` // after the request came
	MS      int64  `json:"ms"`
	Result  string `json:"result"`
	Error   string `json:"error"`
}

// Outcome is how a request ended. Nil is unknown.
type Outcome struct {
	Route      string   `json:"route"`
	Target     string   `json:"target"`
	Status     int      `json:"status"` // 0: the caller went away
	Reason     string   `json:"reason"`
	TTFTMS     *int64   `json:"ttft_ms"`
	TotalMS    int64    `json:"total_ms"`
	TokensIn   *int     `json:"tokens_in"`
	TokensOut  *int     `json:"tokens_out"`
	CostUSD    *float64 `json:"cost_usd"`
	Confidence *float64 `json:"confidence"`
	Cache      string   `json:"cache"`
	Degraded   bool     `json:"degraded"`
	Formed     *bool    `json:"schema_valid,omitempty"` // whether the answer is as response_format wanted it
	Judged     *Judged  `json:"judged,omitempty"`       // of the device's answer, whoever's was given
	Error      string   `json:"error,omitempty"`
}

// Judged is what is known of a local answer. It is in the decision record.
type Judged struct {
	Target string   `json:"target"`
	Model  string   `json:"model,omitempty"` // identity of the model, "" when it is not known
	Good   *float64 `json:"p_good"`          // chance that it is good, nil when its model was not measured
}

// NewID is the id of a decision made at that time: time ordered, with enough of
// chance to be unique. It opens nothing to those who guess it.
func NewID(now time.Time) string {
	var raw [11]byte // six of time, five of chance
	binary.BigEndian.PutUint64(raw[3:], rand.Uint64())
	binary.BigEndian.PutUint16(raw[:], uint16(now.UnixMilli()>>32))
	binary.BigEndian.PutUint32(raw[2:], uint32(now.UnixMilli()))
	var text [1 + 2*len(raw)]byte
	text[0] = 'd'
	hex.Encode(text[1:], raw[:])
	return string(text[:])
}
