package policy

// Reasons that shape a whole plan; the first that applies wins, a rule's
// before all others.
const (
	ReasonPrivate = "private"
	ReasonForced  = "forced_mode"
	ReasonOffline = "offline"
	ReasonRule    = "rule_" // and the name of the rule
)

// Reasons of single steps.
const (
	ReasonCacheFresh       = "cache_fresh"
	ReasonStale            = "stale_on_error"
	ReasonDefault          = "default_on_error"
	ReasonLocalFirst       = "local_first"
	ReasonLocalUnsure      = "local_unsure"
	ReasonLocalUnavailable = "local_unavailable"
	ReasonCloudFirst       = "cloud_first"
	ReasonCloudOnly        = "cloud_only"
	ReasonCloudUnavailable = "cloud_unavailable"
	ReasonNoRoute          = "no_route"
	ReasonBudget           = "budget"
	ReasonTooLong          = "too_long"
	ReasonOnlyCached       = "only_if_cached"
	ReasonRateLimited      = "rate_limited"
)
