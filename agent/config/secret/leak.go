package secret

import (
	"bytes"
	"regexp"
)

// Leak is a place in a text that looks like a secret written down. It never
// holds the secret.
type Leak struct {
	Line  int    // from 1
	Field string // the key before it, "" when there is none
}

// Leaks looks for secrets in YAML, JSON or plain text, comments too: values of
// keys that are called like one, keys of well-known providers, private keys,
// bearer tokens, passwords in URLs. It finds what was left by mistake, not what
// somebody hides. One leak is told per line.
func Leaks(text []byte) []Leak {
	var (
		// A key and its plain value; {, [, $ and * begin what is not one.
		named  = regexp.MustCompile(`(?i)["']?\b([a-z0-9_-]*(?:password|passwd|passphrase|secret|token|credentials?|authorization|(?:api|access|private)[_-]?key)|key)["']?\s*[:=]\s*["']?([^\s"'{}\[\],#&*$|>][^\s"',}\]]*)`)
		shaped = regexp.MustCompile(`(?:-----BEGIN [A-Z ]*PRIVATE KEY|\bsk-[A-Za-z0-9_-]{8,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bAIza[0-9A-Za-z_-]{30,}|\bxox[a-z]-[0-9A-Za-z-]{10,}|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.|(?i:\bbearer\s+[A-Za-z0-9._~+/-]{8,})|[a-z]://[^\s/:@"']+:[^\s/@"']+@)`)
		key    = regexp.MustCompile(`["']?([A-Za-z_][A-Za-z0-9_.-]*)["']?\s*:\s*`)
		harm   = regexp.MustCompile(`(?i)^(?:true|false|null|~|none|\d{1,6})$`)
		leaks  []Leak
	)
	for i, line := range bytes.Split(text, []byte("\n")) {
		if at := shaped.FindIndex(line); at != nil {
			field := ""
			if before := key.FindAllSubmatch(line[:at[0]], -1); before != nil {
				field = string(before[len(before)-1][1])
			}
			leaks = append(leaks, Leak{i + 1, field})
			continue
		}
		for _, m := range named.FindAllSubmatch(line, -1) {
			if !harm.Match(m[2]) {
				leaks = append(leaks, Leak{i + 1, string(m[1])})
				break
			}
		}
	}
	return leaks
}
