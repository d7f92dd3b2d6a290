package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
)

// An Ed25519 key has one form in PKIX and one in PKCS#8 (RFC 8410): these bytes
// and then its own.
const (
	pkixPrefix  = "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"
	pkcs8Prefix = "\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"
	maxPEM      = 4 << 10
)

// Key is a public key. Keys can be compared; the zero Key is none.
type Key struct{ raw [ed25519.PublicKeySize]byte }

// NewKey is the key of 32 raw bytes, as RFC 8032 has them.
func NewKey(raw []byte) (Key, error) {
	if len(raw) != ed25519.PublicKeySize {
		return Key{}, fmt.Errorf("an Ed25519 key has %d bytes, not %d", ed25519.PublicKeySize, len(raw))
	}
	k := Key{[ed25519.PublicKeySize]byte(raw)}
	if k.weak() {
		return Key{}, errors.New("this key is one of the few for which anybody can sign; make one with: nearside fleet keygen")
	}
	return k, nil
}

// weak tells whether the key is a point of small order, all zeros among them:
// signatures that fit such a key can be made without its private half.
func (k Key) weak() bool {
	y := k.raw
	y[31] &= 0x7f // the sign of x
	for _, low := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		if hex.EncodeToString(y[:]) == low {
			return true
		}
	}
	return false
}

// ID is the first 16 hex digits of the SHA-256 of the raw bytes.
func (k Key) ID() string {
	sum := sha256.Sum256(k.raw[:])
	return hex.EncodeToString(sum[:8])
}

// Raw is a copy of the 32 bytes.
func (k Key) Raw() []byte { return bytes.Clone(k.raw[:]) }

// PEM is the key as PKIX.
func (k Key) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: append([]byte(pkixPrefix), k.raw[:]...)})
}

// Verifies tells whether the signature over the message was made with the other
// half of this key.
func (k Key) Verifies(message, signature []byte) bool {
	return k != Key{} && len(signature) == ed25519.SignatureSize && ed25519.Verify(k.raw[:], message, signature)
}

// ParsePublic reads a public key: one block of PEM, PKIX, Ed25519.
func ParsePublic(text []byte) (Key, error) {
	raw, err := parsePEM(text, "PUBLIC KEY", pkixPrefix)
	if err != nil {
		return Key{}, err
	}
	return NewKey(raw)
}

// Signer makes signatures: a private key in memory, or something that holds one
// and does not show it.
type Signer interface {
	Key() Key
	// Sign signs the message itself, not a digest of it.
	Sign(message []byte) ([]byte, error)
}

// Private is a private key in memory, a [Signer].
type Private struct{ key ed25519.PrivateKey }

// Generate makes a private key of 32 bytes from the source, which should be
// crypto/rand.Reader.
func Generate(random interface{ Read([]byte) (int, error) }) (*Private, error) {
	seed := make([]byte, ed25519.SeedSize)
	for filled := 0; filled < len(seed); {
		n, err := random.Read(seed[filled:])
		if filled += n; err != nil && filled < len(seed) {
			return nil, fmt.Errorf("read random bytes: %w", err)
		}
	}
	return &Private{ed25519.NewKeyFromSeed(seed)}, nil
}

// ParsePrivate reads a private key: one block of PEM, PKCS#8, Ed25519, not
// encrypted. No error repeats what was read.
func ParsePrivate(text []byte) (*Private, error) {
	seed, err := parsePEM(text, "PRIVATE KEY", pkcs8Prefix)
	if err != nil {
		return nil, err
	}
	return &Private{ed25519.NewKeyFromSeed(seed)}, nil
}

// Key is the public half.
func (p *Private) Key() Key { return Key{[ed25519.PublicKeySize]byte(p.key[ed25519.SeedSize:])} }

// Sign signs the message.
func (p *Private) Sign(message []byte) ([]byte, error) { return ed25519.Sign(p.key, message), nil }

// PEM is the key as PKCS#8. It is the secret itself.
func (p *Private) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: append([]byte(pkcs8Prefix), p.key.Seed()...)})
}

// parsePEM takes the raw bytes of an Ed25519 key out of the one block that the
// text may hold.
func parsePEM(text []byte, kind, prefix string) ([]byte, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("a key in PEM has at most %d bytes", maxPEM)
	}
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, fmt.Errorf("is no PEM; a key begins with -----BEGIN %s-----", kind)
	case block.Type == "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("is encrypted; hand it to an ssh-agent or an external signer, or decrypt it with: openssl pkey")
	case block.Type != kind:
		return nil, fmt.Errorf("holds a %q, not a %s; of the two files of nearside fleet keygen the one that ends in .pub is public", block.Type, kind)
	case len(bytes.TrimSpace(rest)) > 0 || len(block.Headers) > 0:
		return nil, errors.New("holds more than one block of PEM without headers")
	}
	raw, ok := bytes.CutPrefix(block.Bytes, []byte(prefix))
	if !ok || len(raw) != ed25519.SeedSize {
		return nil, errors.New("is no Ed25519 key; make one with: nearside fleet keygen")
	}
	return raw, nil
}
