// Package written reads what people write beside the config: policies, cases
// that try them, drafts of policies, and days to simulate, from files or from
// what is built in. It is as strict as the config: every fault has file, line,
// column, path and what would be right, and all are reported at once.
package written

import (
	"fmt"
	"slices"
	"strings"

	"nearside/agent/config/policies"
	"nearside/agent/config/strict"
	"nearside/policy"
)

const maxFileBytes = 1 << 20

// ProfilePrefix begins the name of a policy that is built in, such as
// profile:car.
const ProfilePrefix = "profile:"

// Policy is a document that was read and found valid.
type Policy struct {
	Doc    *policy.Document
	Digest string // SHA-256 of its text, in hex
	Source string // "built-in", profile:NAME or a file
}

// Load reads the policy of that name: profile:NAME is built in, anything else is
// a file, and "" is the default one. Where targets are given, what a file says of
// another is a fault. The error has a line for every fault, which begins with
// path:line:column.
func Load(name string, targets []string) (*Policy, error) {
	profile, built := strings.CutPrefix(name, ProfilePrefix)
	if built || name == "" {
		doc, digest, _, err := Profile(profile)
		if profile == "" || profile == policies.Default {
			return &Policy{doc, digest, "built-in"}, err
		}
		return &Policy{doc, digest, name}, err
	}
	text, err := strict.ReadFile(name, maxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	doc, digest, err := parsePolicy(name, text, targets)
	return &Policy{doc, digest, name}, err
}

// LoadPolicy reads a policy file and checks it, whatever targets it names. The
// digest is the SHA-256 of its bytes, in hex. The error is like that of [Load].
func LoadPolicy(path string) (doc *policy.Document, digest string, err error) {
	return LoadPolicyFor(nil, path)
}

// LoadPolicyFor is [LoadPolicy] where only the targets are there, as
// [config.Config.TargetNames] lists them; of nil nothing is known.
func LoadPolicyFor(targets []string, path string) (doc *policy.Document, digest string, err error) {
	text, err := strict.ReadFile(path, maxFileBytes)
	if err != nil {
		return nil, "", fmt.Errorf("read policy: %w", err)
	}
	return parsePolicy(path, text, targets)
}

// Profile is a policy that is built in, and its text; "" is the default one.
func Profile(name string) (doc *policy.Document, digest, text string, err error) {
	if name == "" {
		name = policies.Default
	}
	text, ok := policies.Text(name)
	if !ok {
		return nil, "", "", fmt.Errorf("there is no profile %.40q; there are %s", name, strings.Join(policies.Names(), ", "))
	}
	doc, digest, err = parsePolicy(ProfilePrefix+name, []byte(text), nil)
	return doc, digest, text, err
}

// DefaultPolicy is the policy that is built in, and its text.
func DefaultPolicy() (doc *policy.Document, digest, text string) {
	doc, digest, text, err := Profile(policies.Default)
	if err != nil {
		panic(err) // a test reads it
	}
	return doc, digest, text
}

// report gives the lines to what a validator found.
func report(d *strict.Decoder, problems []policy.Problem) error {
	for _, p := range problems {
		d.Report(p.Path, p.Message)
	}
	return d.Err()
}

// parsePolicy reads a text. Where targets are given, no rule may name another.
func parsePolicy(name string, text []byte, targets []string) (*policy.Document, string, error) {
	d := Read(name, text)
	if err := d.text.Err(); err != nil {
		return nil, "", err
	}
	problems := d.problems()
	if targets != nil {
		problems = append(problems, strangers(d.Doc, targets)...)
	}
	if err := report(d.text, problems); err != nil {
		return nil, "", err
	}
	return d.Doc, d.Digest, nil
}

// strangers lists the targets of rules that are not among the known ones.
func strangers(doc *policy.Document, known []string) []policy.Problem {
	var all []policy.Problem
	for i := range doc.Rules {
		then := &doc.Rules[i].Then
		for _, list := range []struct {
			name  string
			names []string
		}{{"deny", then.Deny}, {"force", then.Force}, {"prefer", then.Prefer}} {
			for j, target := range list.names {
				if strings.Contains(target, "/") && !slices.Contains(known, target) {
					all = append(all, policy.Problem{
						Path:    fmt.Sprintf("rules[%d].then.%s[%d]", i, list.name, j),
						Message: fmt.Sprintf("%.80q is no target of the config; %s", target, strict.Suggest(target, known)),
					})
				}
			}
		}
	}
	return all
}
