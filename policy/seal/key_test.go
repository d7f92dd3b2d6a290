package seal_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"nearside/policy/seal"
)

// TestKeys: a key is the same after it was written and read, and its name is
// that of the contract.
func TestKeys(t *testing.T) {
	k := newKey(t)
	again := must(seal.ParsePrivate(k.PEM()))
	public := must(seal.ParsePublic(k.Key().PEM()))
	if again.Key() != k.Key() || public != k.Key() || len(public.ID()) != 16 {
		t.Errorf("got %v and %v, want %v", again.Key(), public, k.Key())
	}
	sig := must(again.Sign([]byte("m")))
	if !public.Verifies([]byte("m"), sig) || public.Verifies([]byte("n"), sig) || public.Verifies([]byte("m"), sig[:63]) || new(seal.Key{}).Verifies([]byte("m"), sig) {
		t.Error("a signature does not fit what it should, or fits what it should not")
	}
}

// TestKnownKey holds key, name and signature to RFC 8032, 7.1, test 1.
func TestKnownKey(t *testing.T) {
	seed := must(hex.DecodeString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
	k := must(seal.Generate(bytes.NewReader(seed)))
	if got, want := hex.EncodeToString(k.Key().Raw()), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"; got != want {
		t.Errorf("public key %s, want %s", got, want)
	}
	if got, want := k.Key().ID(), "21fe31dfa154a261"; got != want {
		t.Errorf("key id %s, want %s", got, want)
	}
	want := "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
	if got := hex.EncodeToString(must(k.Sign(nil))); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestKeyFaults(t *testing.T) {
	k := newKey(t)
	private, public := string(k.PEM()), string(k.Key().PEM())
	for name, c := range map[string]struct{ private, public, want string }{
		"nothing":     {want: "is no PEM; a key begins with -----BEGIN", private: "", public: ""},
		"text":        {"hello", "hello", "is no PEM"},
		"swapped":     {public, private, "holds a"},
		"twice":       {private + private, public + public, "more than one block"},
		"behind":      {private + "x", public + "x", "more than one block"},
		"header":      {strings.Replace(private, "-----\n", "-----\na: b\n\n", 1), strings.Replace(public, "-----\n", "-----\na: b\n\n", 1), "more than one block of PEM without headers"},
		"large":       {strings.Repeat(" ", 5000) + private, strings.Repeat(" ", 5000) + public, "at most 4096 bytes"},
		"other curve": {strings.Replace(private, "K2Vw", "K2Vu", 1), strings.Replace(public, "K2Vw", "K2Vu", 1), "is no Ed25519 key"},
	} {
		_, err := seal.ParsePrivate([]byte(c.private))
		says(t, name, err, c.want)
		_, err = seal.ParsePublic([]byte(c.public))
		says(t, name, err, c.want)
	}
	_, err := seal.ParsePrivate([]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	says(t, "encrypted", err, "is encrypted; hand it to an ssh-agent")
	_, err = seal.NewKey(make([]byte, 31))
	says(t, "short", err, "has 32 bytes, not 31")
	_, err = seal.Generate(bytes.NewReader(make([]byte, 31)))
	says(t, "no randomness", err, "read random bytes")
}

func says(t *testing.T, name string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got %v, want %q", name, err, want)
	}
}

// TestWeakKeys: for a key of small order there are signatures that fit and
// that nobody made, so no such key is taken. The forged one has a point of small
// order as R and zero as S; it fits one message in eight.
func TestWeakKeys(t *testing.T) {
	for _, low := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		for _, sign := range []byte{0, 0x80} {
			raw := must(hex.DecodeString(low))
			raw[31] |= sign
			if _, err := seal.NewKey(raw); err == nil {
				t.Errorf("%x is taken", raw)
			}
		}
	}
	forged, fits := make([]byte, 64), 0
	forged[0] = 1 // R is the identity
	for i := range 64 {
		if ed25519.Verify(make([]byte, 32), []byte{byte(i)}, forged) {
			fits++
		}
	}
	if fits == 0 {
		t.Error("the key of zeros is not weak after all; why is it refused?")
	}
}

// liar signs with another key than it says, or not at all.
type liar struct {
	key seal.Key
	sig []byte
	err error
}

func (l liar) Key() seal.Key               { return l.key }
func (l liar) Sign([]byte) ([]byte, error) { return l.sig, l.err }

func TestSigners(t *testing.T) {
	a, b := newKey(t), newKey(t)
	_, err := seal.Sign(seal.PolicyType, []byte("{}"), liar{a.Key(), must(b.Sign([]byte("m"))), nil})
	says(t, "another's signature", err, "is no signature by key "+a.Key().ID())
	_, err = seal.Sign(seal.PolicyType, []byte("{}"), liar{a.Key(), nil, errors.New("locked")})
	says(t, "an error", err, "sign with key "+a.Key().ID()+": locked")
	_, err = seal.Sign("text/plain", []byte("{}"), a)
	refused(t, "a type", err, seal.WrongType)
	_, err = seal.Sign(seal.PolicyType, bytes.Repeat([]byte("x"), seal.MaxBytes), a)
	refused(t, "too large", err, seal.TooLarge)

	one := must(seal.Sign(seal.PolicyType, []byte("{}"), a, a))
	two := must(seal.Add(one, b, a))
	if e := must(seal.Open(two)); len(e.Signatures) != 2 || e.Signatures[1].KeyID != a.Key().ID() {
		t.Errorf("got %+v", e.Signatures)
	}
	_, err = seal.Add(one, liar{b.Key(), make([]byte, 64), nil})
	says(t, "added", err, "is no signature by key")
	_, err = seal.Add([]byte("{}"), a)
	refused(t, "added to nothing", err, seal.Malformed)
}
