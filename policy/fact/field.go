package fact

// Kinds of what a field holds; a field that there is none of has "".
const (
	KindText   = "text"
	KindNumber = "number"
	KindFlag   = "flag"
	KindTime   = "time" // the time of the signals, which windows test
)

// Value is what a field holds; Known is false when nothing is known of it.
type Value struct {
	Kind  string // "" when it is no field
	Known bool
	Text  string
	Num   float64
	Flag  bool
}

// Any is the value as a string, a float64 or a bool, nil when it is not known.
func (v Value) Any() any {
	switch {
	case !v.Known:
		return nil
	case v.Kind == KindText:
		return v.Text
	case v.Kind == KindNumber:
		return v.Num
	case v.Kind == KindFlag:
		return v.Flag
	}
	return nil
}

func textValue(s string) Value { return Value{Kind: KindText, Known: true, Text: s} }
func numValue(n float64) Value { return Value{Kind: KindNumber, Known: true, Num: n} }
func flagValue(b bool) Value   { return Value{Kind: KindFlag, Known: true, Flag: b} }

// maybe is a number that may not be known.
func maybe(n *float64) Value {
	if n == nil {
		return Value{Kind: KindNumber}
	}
	return numValue(*n)
}

// Fields lists the names a condition may test.
func Fields() []string {
	return append([]string{
		"service", "model", "mode", "task", "intent", "p_in_scope", "privacy", "caller", "network", "stream", "deadline_ms", "max_cost_usd",
		"size.bytes", "size.tokens_est", "size.tokens_out_est", "needs.tools", "needs.schema", "needs.vision",
	}, device...)
}

// Lookup finds a field of the ask or the signals.
func Lookup(field string, a *Ask, s *Signals) Value {
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
		return Value{Kind: KindText, Known: a.Intent != "", Text: a.Intent}
	case "caller":
		return Value{Kind: KindText, Known: a.Caller != "", Text: a.Caller}
	case "privacy":
		return textValue(a.Privacy)
	case NetworkSignal:
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
	case KindTime:
		return Value{Kind: KindTime, Known: !s.Time.IsZero()}
	case "size.tokens_out_est":
		return numValue(float64(a.Size.TokensOut))
	case "stream":
		return flagValue(a.Stream)
	}
	return deviceSignal(field, s)
}

func deviceSignal(field string, s *Signals) Value {
	if p := s.Device.Number(field); p != nil {
		return maybe(*p)
	}
	if p := s.Device.Flag(field); p != nil {
		if *p == nil {
			return Value{Kind: KindFlag}
		}
		return flagValue(**p)
	}
	return Value{}
}
