package policy

// Ways to choose among the members of a pool that are about equally good, see
// [Service]. The rest of a pool follows by utility.
const (
	BalanceOrder      = "order"             // of the config
	BalanceScore      = "score"             // the best score first, see [Score]
	BalanceRoundRobin = "round_robin"       // each in its turn
	BalanceWeighted   = "weighted"          // each in as many turns as its weight says
	BalanceLeast      = "least_connections" // the fewest asks in flight first
)

// Balances lists the ways to choose among equals.
func Balances() []string {
	return []string{BalanceOrder, BalanceScore, BalanceRoundRobin, BalanceWeighted, BalanceLeast}
}

// Score are the coefficients of a target's score: latency/seconds +
// errors×(1 − error rate) + load/(asks in flight + 1). Seconds are those of the
// median, at least 0.1. What is not known is assumed as for utility.
type Score struct {
	Latency float64 `json:"latency"`
	Errors  float64 `json:"errors"`
	Load    float64 `json:"load"`
}
