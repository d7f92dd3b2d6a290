package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nearside/policy/seal/exact"
)

const (
	// MaxBytes bounds an envelope, whatever is in it.
	MaxBytes = 64 << 10
	// MaxSignatures bounds the signatures of an envelope and the keys of a root.
	MaxSignatures = 16
)

// Types of what an envelope holds. The type is part of what is signed, and a
// document of one type is never read as one of another.
const (
	PolicyType  = "application/vnd.nearside.policy+json"
	RootType    = "application/vnd.nearside.root+json"
	CommandType = "application/vnd.nearside.command+json"
)

// Signature is one of an envelope. KeyID only says which key to try.
type Signature struct {
	KeyID string
	Sig   []byte
}

// Envelope is a DSSE envelope: raw bytes and signatures over them. That it was
// opened says nothing of who made it.
type Envelope struct {
	Type       string
	Payload    []byte
	Signatures []Signature
}

// Open reads the shape of an envelope: size, fields, a known type, at least one
// signature. What it refuses is a [*Refusal].
func Open(b []byte) (*Envelope, error) {
	e, err := Peek(b)
	if err == nil && len(e.Signatures) == 0 {
		return nil, refuse(Unsigned, "the envelope has no signature")
	}
	return e, err
}

// Peek is [Open] for an envelope that may lack signatures, such as that of a
// first root.
func Peek(b []byte) (*Envelope, error) {
	if len(b) > MaxBytes {
		return nil, refuse(TooLarge, "the envelope has more than the %d bytes that are taken", MaxBytes)
	}
	f, err := parseObject("envelope", b)
	if err != nil {
		return nil, unsigned(b, err)
	}
	e := &Envelope{
		Type:    f.Text("payloadType", "text", false, func(s string) bool { return exact.Printable(s, 1, 128) }),
		Payload: f.Base64("payload"),
	}
	for _, v := range f.List("signatures", fmt.Sprintf("a list of at most %d signatures", MaxSignatures), MaxSignatures, false) {
		e.Signatures = append(e.Signatures, f.signature(v))
	}
	if err := f.end(); err != nil {
		return nil, err
	}
	if known := []string{PolicyType, RootType, CommandType}; !slices.Contains(known, e.Type) {
		return nil, refuse(WrongType, "%q is no type of document; known are %s", e.Type, strings.Join(known, ", "))
	}
	return e, nil
}

// unsigned adds to a refusal that the bytes may be what an envelope is made of.
func unsigned(b []byte, err error) error {
	if len(b) == 0 || bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return err
	}
	return refuse(Malformed, "%s; what is not signed yet is signed with: nearside fleet sign", err.(*Refusal).Detail)
}

// fields are those of a document from outside.
type fields struct{ *exact.Fields }

func parseObject(what string, b []byte) (fields, error) {
	f, err := exact.Object(what, b)
	if err != nil {
		return fields{}, refuse(Malformed, "%v", err)
	}
	return fields{f}, nil
}

// end is the first fault as a refusal, if any.
func (f fields) end() error {
	if err := f.End(); err != nil {
		return refuse(Malformed, "%v", err)
	}
	return nil
}

func (f fields) signature(v any) Signature {
	in := f.Inner("signatures", v)
	s := Signature{KeyID: in.Text("keyid", "16 lower-case hex digits", false, isKeyID), Sig: in.Base64("sig")}
	_ = in.End() // told by f
	return s
}

func isKeyID(s string) bool  { return isHex(s, 16) }
func isDigest(s string) bool { return isHex(s, 64) }

// isHex tells whether the text is so many lower hex digits.
func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// Digest is the SHA-256 of a payload's bytes in hex.
func Digest(payload []byte) string {
	sum := sha256.Sum256(payload)
	return hex.EncodeToString(sum[:])
}

// Message is what signatures are made over: DSSE's pre-authentication encoding
// of type and payload.
func Message(typ string, payload []byte) []byte {
	m := make([]byte, 0, len("DSSEv1")+len(typ)+len(payload)+24)
	m = append(append(m, "DSSEv1 "...), strconv.Itoa(len(typ))...)
	m = append(append(append(m, ' '), typ...), ' ')
	m = append(strconv.AppendInt(m, int64(len(payload)), 10), ' ')
	return append(m, payload...)
}

// Sign makes the bytes of an envelope. Without signers it is one that nobody
// takes, but for a first root. What a signer gives is verified.
func Sign(typ string, payload []byte, signers ...Signer) ([]byte, error) {
	e := &Envelope{Type: typ, Payload: payload}
	for _, s := range signers {
		if err := e.sign(s); err != nil {
			return nil, err
		}
	}
	return e.Encode()
}

// Add gives an envelope more signatures. One by a key that signed before takes
// the place of that.
func Add(envelope []byte, signers ...Signer) ([]byte, error) {
	e, err := Peek(envelope)
	if err != nil {
		return nil, err
	}
	for _, s := range signers {
		if err := e.sign(s); err != nil {
			return nil, err
		}
	}
	return e.Encode()
}

func (e *Envelope) sign(s Signer) error {
	key, message := s.Key(), Message(e.Type, e.Payload)
	sig, err := s.Sign(message)
	if err != nil {
		return fmt.Errorf("sign with key %s: %w", key.ID(), err)
	}
	if !key.Verifies(message, sig) {
		return fmt.Errorf("what the signer gave is no signature by key %s; does the public key belong to it?", key.ID())
	}
	e.Signatures = slices.DeleteFunc(e.Signatures, func(old Signature) bool { return old.KeyID == key.ID() })
	e.Signatures = append(e.Signatures, Signature{key.ID(), sig})
	return nil
}

// Encode is the envelope's bytes. One that would not be opened is an error.
func (e *Envelope) Encode() ([]byte, error) {
	type signature struct {
		KeyID string `json:"keyid"`
		Sig   []byte `json:"sig"`
	}
	list := []signature{}
	for _, s := range e.Signatures {
		list = append(list, signature(s))
	}
	b, err := json.Marshal(struct {
		Type       string      `json:"payloadType"`
		Payload    []byte      `json:"payload"`
		Signatures []signature `json:"signatures"`
	}{e.Type, e.Payload, list})
	if err != nil {
		return nil, fmt.Errorf("write the envelope: %w", err)
	}
	b = append(b, '\n')
	if _, err := Peek(b); err != nil {
		return nil, fmt.Errorf("the envelope would be refused: %w", err)
	}
	return b, nil
}
