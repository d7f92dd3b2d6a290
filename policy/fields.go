package policy

import "nearside/policy/fact"

// value is a field's value; known is false when nothing is known of it.
type value struct {
	kind  string // "" when it is no field
	known bool
	text  string
	num   float64
	flag  bool
}

func textValue(s string) value { return value{kind: KindText, known: true, text: s} }
func numValue(n float64) value { return value{kind: KindNumber, known: true, num: n} }
func flagValue(b bool) value   { return value{kind: KindFlag, known: true, flag: b} }

// maybe is a number that may not be known.
func maybe(n *float64) value {
	if n == nil {
		return value{kind: KindNumber}
	}
	return numValue(*n)
}

// Fields lists the names a condition may test.
func Fields() []string {
	return append([]string{
		"service", "model", "mode", "task", "intent", "p_in_scope", "privacy", "caller", "network", "stream", "deadline_ms", "max_cost_usd",
		"size.bytes", "size.tokens_est", "size.tokens_out_est", "needs.tools", "needs.schema", "needs.vision",
	}, fact.DeviceSignals()...)
}

// lookup finds a field of the ask or the signals.
func lookup(field string, a *Ask, s *Signals) value {
	switch field {
	case "service":
		return textValue(a.Service)
	case "model":
		return textValue(a.Model)
	case "mode":
		return textValue(a.Mode)
	case "task":
		return textValue(a.Task)
	case "intent":
		return value{kind: KindText, known: a.Intent != "", text: a.Intent}
	case "caller":
		return value{kind: KindText, known: a.Caller != "", text: a.Caller}
	case "privacy":
		return textValue(a.Privacy)
	case fact.NetworkSignal:
		return textValue(s.Network)
	case "deadline_ms":
		return numValue(float64(a.DeadlineMS))
	case "max_cost_usd":
		return maybe(a.MaxCost)
	case "p_in_scope":
		return maybe(a.Scope)
	case "size.bytes":
		return numValue(float64(a.Size.Bytes))
	case "size.tokens_est":
		return numValue(float64(a.Size.TokensEst))
	case "needs.tools":
		return flagValue(a.Needs.Tools)
	case "needs.schema":
		return flagValue(a.Needs.Schema)
	case "needs.vision":
		return flagValue(a.Needs.Vision)
	case timeField:
		return value{kind: timeField, known: !s.Time.IsZero()}
	case "size.tokens_out_est":
		return numValue(float64(a.Size.TokensOut))
	case "stream":
		return flagValue(a.Stream)
	}
	return deviceSignal(field, s)
}

func deviceSignal(field string, s *Signals) value {
	if p := s.Device.Number(field); p != nil {
		return maybe(*p)
	}
	if p := s.Device.Flag(field); p != nil {
		if *p == nil {
			return value{kind: KindFlag}
		}
		return flagValue(**p)
	}
	return value{}
}
