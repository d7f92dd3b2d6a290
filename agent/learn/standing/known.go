package standing

// Known is what is known of one local target.
type Known struct {
	Name    string  `json:"name"`
	Model   string  `json:"model"`   // identity
	State   string  `json:"state"`   // measured, doubted, unmeasured, changed
	Why     *string `json:"why"`     // it is doubted
	Version *string `json:"version"` // of its table: 8 hex digits of the digest
	Prior   *string `json:"prior"`   // where what was measured before is from
	Labels  int     `json:"labels"`  // found here that are in the table
	Fault   *string `json:"fault"`   // why what was measured before cannot be used
	Text    *Text   `json:"text"`    // what the words of questions tell; nil without a table
}

// Text is what is known of how the words of a question tell what the cloud
// would gain with it. Explained and Error are those of policy/deferral's Merit, nil
// while there are too few labels for them.
type Text struct {
	InForce   bool     `json:"in_force"`  // they tell enough
	Labels    int      `json:"labels"`    // that have a sketch of their question
	Explained *float64 `json:"explained"` // share of the variance of gains, cross-validated
	Error     *float64 `json:"error"`     // standard error of Explained
	Version   *string  `json:"version"`   // of the model: 8 hex digits of the digest
}

// Known is the standing of the target of that name, for those who look.
func (s *Standing) Known(name string) Known {
	return Known{
		Name: name, Model: s.Model.SHA256, State: s.State, Why: filled(s.why), Version: filled(s.version), Prior: filled(s.origin),
		Labels: s.Labels, Fault: filled(s.fault), Text: s.text.report(),
	}
}

func (r *reading) report() *Text {
	if r == nil {
		return nil
	}
	t := &Text{InForce: r.model != nil, Labels: r.labels, Version: filled(r.version)}
	if r.merit != nil {
		explained, off := r.merit.Explained, r.merit.Error
		t.Explained, t.Error = &explained, &off
	}
	return t
}

// filled is nil for what is not known.
func filled(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
