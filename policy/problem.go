package policy

// Problem is one fault of a document: where it is, as a path of keys such as
// rules[2].when.field, and what would be right.
type Problem struct {
	Path    string
	Message string
}

func (p Problem) Error() string { return p.Path + ": " + p.Message }
