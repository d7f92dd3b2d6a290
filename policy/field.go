package policy

// Kinds of what a field holds; a field that there is none of has "".
const (
	KindText   = "text"
	KindNumber = "number"
	KindFlag   = "flag"
	KindTime   = "time" // the time of the signals, which windows test
)

// value is what a field holds; Known is false when nothing is known of it.
type value struct {
	Kind  string // "" when it is no field
	Known bool
	Text  string
	Num   float64
	Flag  bool
}

// Any is the value as a string, a float64 or a bool, nil when it is not known.
func (v value) Any() any {
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

func textValue(s string) value { return value{Kind: KindText, Known: true, Text: s} }
func numValue(n float64) value { return value{Kind: KindNumber, Known: true, Num: n} }
func flagValue(b bool) value   { return value{Kind: KindFlag, Known: true, Flag: b} }

// maybe is a number that may not be known.
func maybe(n *float64) value {
	if n == nil {
		return value{Kind: KindNumber}
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
		return value{Kind: KindText, Known: a.Intent != "", Text: a.Intent}
	case "caller":
		return value{Kind: KindText, Known: a.Caller != "", Text: a.Caller}
	case "privacy":
		return textValue(a.Privacy)
	case networkSignal:
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
		return value{Kind: KindTime, Known: !s.Time.IsZero()}
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
			return value{Kind: KindFlag}
		}
		return flagValue(**p)
	}
	return value{}
}

// FieldKind is what a field that conditions may test holds: text, number or
// flag; "" for a name that is no field.
func FieldKind(field string) string { return lookup(field, &Ask{}, &Signals{}).Kind }

// Value is what a field holds: a string, a float64 or a bool, nil when nothing
// is known of it or it is no field.
func Value(field string, a *Ask, s *Signals) any { return lookup(field, a, s).Any() }
