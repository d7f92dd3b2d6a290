package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"nearside/policy/seal"
)

// at is a time as documents have it.
func at(from time.Duration) string { return time.Now().Add(from).UTC().Format(time.RFC3339) }

// TestAttackAddresses: what is rightly signed for others, or for another time,
// is not taken.
func TestAttackAddresses(t *testing.T) {
	t.Parallel()
	c := newCouncil(t)
	s := c.besieged(t)
	other := c.policy(7, "rules", "rules ")
	s.repel(
		assault{"other tenant", c.policy(9, `"acme"`, `"acme2"`), seal.OtherTenant},
		assault{"other channel", c.policy(9, `"stable"`, `"beta"`), seal.OtherChannel},
		assault{"other audience", c.with(`"audience":["device:car-8","ring:late","label:site=bergen","car-70","earl"]`), seal.OtherAudience},
		assault{"older version", c.policy(6), seal.OlderVersion},
		assault{"equal version with other digest", other, seal.OtherDigest},
		assault{"epoch rolled back", c.policy(9, `"epoch":3`, `"epoch":2`), seal.EpochRolledBack},
		assault{"epoch left out", c.policy(9, `"epoch":3,`, ``), seal.EpochRolledBack},
		assault{"expired", c.with(fmt.Sprintf(`"not_after":%q`, at(-time.Hour))), seal.Expired},
		assault{"not yet valid", c.with(fmt.Sprintf(`"not_before":%q`, at(time.Hour))), seal.NotYetValid},
		assault{"newer program", c.with(`"min_agent":"99.0.0"`), seal.AgentTooOld},
		assault{"made to follow another", c.with(fmt.Sprintf(`"previous":%q`, strings.Repeat("ab", 32))), seal.WrongPrevious},
		assault{"another device's share", c.with(`"rollout":{"pct":0,"salt":"s"}`), seal.NotInShare},
	)
}

// TestAttackForms: what two readers could understand differently is not read at
// all, whoever signed it.
func TestAttackForms(t *testing.T) {
	t.Parallel()
	c := newCouncil(t)
	good := c.policy(9)
	wide := ""
	for _, u := range utf16.Encode([]rune("\ufeff" + good)) {
		wide += string([]byte{byte(u), byte(u >> 8)})
	}
	raw := func(payload string) string { return c.envelope(seal.PolicyType, payload, c.both()...) }
	s := c.besieged(t)
	s.repel(
		assault{"64 KiB and a byte", good + strings.Repeat(" ", seal.MaxBytes+1-len(good)), seal.TooLarge},
		assault{"10 MB", strings.Repeat(good, 10_000_000/len(good)), seal.TooLarge},
		assault{"deep", strings.Repeat(`{"payload":`, 2000) + "1" + strings.Repeat("}", 2000), seal.Malformed + "/deep"},
		assault{"deep and signed", c.with(`"audience":` + strings.Repeat("[", 9) + `"*"` + strings.Repeat("]", 9)), seal.Malformed + "/deep"},
		assault{"duplicate keys", strings.Replace(good, `{"payloadType"`, `{"payload":"e30=","payloadType"`, 1), seal.Malformed + "/twice"},
		assault{"duplicate keys, signed", c.with(`"version":8`), seal.Malformed + "/twice"},
		assault{"duplicate keys by case", c.with(`"Version":8`), seal.Malformed + "/twice"},
		assault{"trailing bytes", good + "{}", seal.Malformed + "/nothing behind"},
		assault{"trailing bytes, signed", raw(c.words(9) + "\x00"), seal.Malformed + "/nothing behind"},
		assault{"a field nobody knows", c.with(`"only_on":"mondays"`), seal.Malformed + "/only_on is not known"},
		assault{"UTF-16", wide, seal.Malformed + "/UTF-8"},
		assault{"byte order mark", "\ufeff" + good, seal.Malformed + "/byte order mark"},
	)
}

// TestAttackEncodings: text in more than one form, paths in names, addresses
// that anybody could answer at.
func TestAttackEncodings(t *testing.T) {
	t.Parallel()
	c := newCouncil(t)
	good := c.policy(9)
	line := strings.Index(good, `"payload":"`) + len(`"payload":"`) + 76
	spare := strings.Index(good, `=="`) - 1
	file := func(name, url string) string {
		return c.envelope(seal.PolicyType, c.words(9, `"kind":"policy"`, fmt.Sprintf(
			`"kind":"gate","files":[{"name":%q,"url":%q,"sha256":%q,"bytes":5}]`, name, url, strings.Repeat("ab", 32))), c.both()...)
	}
	s := c.besieged(t)
	s.repel(
		assault{"base64 with newlines", good[:line] + `\n` + good[line:], seal.Malformed + "/line breaks"},
		assault{"base64 without padding", strings.Replace(good, `=="`, `"`, 1), seal.Malformed + "/padding"},
		assault{"base64 with bits to spare", good[:spare] + string(good[spare]+1) + good[spare+1:], seal.Malformed + "/base64"},
		assault{"Latin-1", c.with("\"audience\":\"label:ort=K\xf6ln\""), seal.Malformed + "/UTF-8"},
		assault{"half a surrogate pair", c.policy(9, "rules", `rules\ud800`), seal.Malformed + "/broken text"},
		assault{"tenant in other letters", c.policy(9, `"acme"`, `"acm`+"\u0435"+`"`), seal.Malformed + "/payload.tenant"},
		assault{"tenant over two lines", c.policy(9, `"acme"`, `"acme`+"\u2028"+`"`), seal.Malformed + "/payload.tenant"},
		assault{"a number in another form", c.policy(9, `"version":9`, `"version":9e0`), seal.Malformed + "/plain digits"},
		assault{"a number too large to be whole", c.policy(9, `"version":9`, `"version":9007199254740993`), seal.Malformed + "/2^53-1"},
		assault{"path in a file name", file("../../etc/cron.d/x", "https://fleet.example/x"), seal.Malformed + "/no path"},
		assault{"hidden file name", file(".bashrc", "https://fleet.example/x"), seal.Malformed + "/no dot first"},
		assault{"plain http", file("gate.bin", "http://fleet.example/x"), seal.Malformed + "/https"},
		assault{"file on the device", file("gate.bin", "file:///etc/passwd"), seal.Malformed + "/https"},
	)
}

// TestAttackRoots: who may sign changes only by enough of the old and of the new
// keys, one step at a time, and never back.
func TestAttackRoots(t *testing.T) {
	t.Parallel()
	c := newCouncil(t)
	three := c.root(3, 2, c.a, c.b, c.c)
	mine := c.root(3, 1, c.stranger)
	foreign, low := three, c.root(3, 1, c.a, c.b)
	foreign.Tenant = "acme2"
	text, err := low.Encode()
	if err != nil {
		t.Fatal(err)
	}
	twice := strings.Replace(string(text), `"threshold":1`, `"threshold":2`, 1)
	key := twice[strings.Index(twice, `{"keyid"`) : strings.Index(twice, `},`)+1]
	twice = twice[:strings.Index(twice, `{"keyid"`)] + key + "," + key + twice[strings.Index(twice, "]"):]
	s := c.besieged(t)
	s.repel(
		assault{"replayed root", c.rooted(c.root(1, 1, c.a, c.d), c.both()...), seal.RootReplayed},
		assault{"another root of the same version", c.rooted(c.root(2, 1, c.a, c.b), c.both()...), seal.RootReplayed},
		assault{"root with too few old signatures", c.rooted(three, c.a, c.stranger), seal.RootTooFewOld},
		assault{"root by a revoked key", c.rooted(three, c.a, c.d), seal.RootTooFewOld},
		assault{"root with too few new signatures", c.rooted(c.root(3, 2, c.stranger, c.d), c.both()...), seal.RootTooFewNew},
		assault{"a stranger's root", c.rooted(mine, c.stranger), seal.RootTooFewOld},
		assault{"root that skips one", c.rooted(c.root(4, 2, c.a, c.b, c.c), c.both()...), seal.RootSkipped},
		assault{"root of another tenant", c.rooted(foreign, c.both()...), seal.OtherTenant},
		assault{"root that wants nobody", c.envelope(seal.RootType, strings.Replace(string(text), `"threshold":1`, `"threshold":0`, 1), c.both()...), seal.Malformed + "/root.threshold"},
		assault{"root that lists a key twice", c.envelope(seal.RootType, twice, c.both()...), seal.Malformed + "/twice"},
		assault{"root without signatures", c.rooted(three), seal.Unsigned},
		assault{"the very first root", c.first(), seal.Unsigned},
	)
	before := s.standing()
	for _, known := range []string{c.second(), c.rooted(c.root(1, 2, c.a, c.b, c.d), c.both()...)} {
		if out, _ := s.apply(known, 0); !strings.Contains(out, "nothing done") {
			t.Errorf("a root that was followed, again: %s", out)
		}
	}
	if now := s.unmoved(t, before); now.RootVersion != 2 {
		t.Errorf("the root is %d, want 2", now.RootVersion)
	}
}

// TestAttackBodies: a body of 10 MB that never says how long it is, and bodies
// that come drop by drop, keep nobody else out.
func TestAttackBodies(t *testing.T) {
	t.Parallel()
	s := newCouncil(t).besieged(t)
	s.repels(t, seal.TooLarge, func() {
		conn, err := net.Dial("unix", s.socket)
		must(t, "dial", err)
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		go fmt.Fprintf(conn, "POST /v1/policy/apply HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
			10_000_000, strings.Repeat(" ", 10_000_000)) // a client of the library may see no more than that it was hung up on
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, "read the reply", err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("10 MB: got %s", resp.Status)
		}
	})
	before := s.standing()
	slow := s.trickle(t, 32)
	s.unmoved(t, before)
	s.apply(s.policy(8), 0)
	s.inForce(8, "probation")
	slow()
	if refused := s.standing().LastRefusal; refused.Reason != seal.TooLarge {
		t.Errorf("what never came to its end was judged: %+v", refused)
	}
}
