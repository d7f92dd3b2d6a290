package signer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"nearside/policy/seal"
)

// Messages of the protocol of ssh-agent (draft-ietf-sshm-ssh-agent).
const (
	askKeys   = 11
	giveKeys  = 12
	askSign   = 13
	giveSign  = 14
	algorithm = "ssh-ed25519"
	maxReply  = 256 << 10
)

// patience is how long a person may take to touch a token or to confirm.
const patience = time.Minute

// Agent speaks to an ssh-agent over a connection, one question at a time.
type Agent struct{ Conn io.ReadWriter }

// Keys lists the Ed25519 keys that the agent holds; others are passed over.
func (a Agent) Keys() ([]seal.Key, error) {
	reply, err := a.ask(askKeys, nil, giveKeys)
	if err != nil {
		return nil, fmt.Errorf("ask the ssh-agent for its keys: %w", err)
	}
	if len(reply) < 4 {
		return nil, errors.New("the ssh-agent's list of keys is cut off")
	}
	n, keys := binary.BigEndian.Uint32(reply), []seal.Key{}
	for reply = reply[4:]; n > 0; n-- {
		blob, rest, ok := takeString(reply)
		_, rest, named := takeString(rest)
		if !ok || !named {
			return nil, errors.New("the ssh-agent's list of keys is cut off")
		}
		raw, fits := inBlob(blob)
		if key, err := seal.NewKey(raw); fits && err == nil {
			keys = append(keys, key)
		}
		reply = rest
	}
	return keys, nil
}

// Sign has the agent sign the message with a key that it holds.
func (a Agent) Sign(key seal.Key, message []byte) ([]byte, error) {
	blob := putString(putString(nil, []byte(algorithm)), key.Raw())
	body := append(putString(putString(nil, blob), message), 0, 0, 0, 0) // no flags
	reply, err := a.ask(askSign, body, giveSign)
	if err != nil {
		return nil, fmt.Errorf("ask the ssh-agent to sign: %w", err)
	}
	blob, rest, ok := takeString(reply)
	sig, fits := inBlob(blob)
	if !ok || !fits || len(rest) > 0 {
		return nil, errors.New("what the ssh-agent gave is no Ed25519 signature")
	}
	return sig, nil
}

// ask sends one message and takes the one that answers it.
func (a Agent) ask(kind byte, body []byte, want byte) ([]byte, error) {
	message := putString(nil, append([]byte{kind}, body...))
	if _, err := a.Conn.Write(message); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(a.Conn, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n == 0 || n > maxReply {
		return nil, fmt.Errorf("its reply has %d bytes; 1 to %d were expected", n, maxReply)
	}
	reply := make([]byte, n)
	if _, err := io.ReadFull(a.Conn, reply); err != nil {
		return nil, err
	}
	if reply[0] != want {
		return nil, fmt.Errorf("it refused (message %d); is it locked, or did nobody confirm?", reply[0])
	}
	return reply[1:], nil
}

func putString(to, s []byte) []byte {
	return append(binary.BigEndian.AppendUint32(to, uint32(len(s))), s...)
}

func takeString(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint32(b)
	if b = b[4:]; uint64(n) > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// inBlob is what stands behind the name of the algorithm in the blob of a key or
// of a signature.
func inBlob(blob []byte) ([]byte, bool) {
	name, rest, ok := takeString(blob)
	if !ok || !bytes.Equal(name, []byte(algorithm)) {
		return nil, false
	}
	raw, rest, ok := takeString(rest)
	return raw, ok && len(rest) == 0
}

// held is a key that an agent holds.
type held struct {
	ctx context.Context
	key seal.Key
}

func (h held) Key() seal.Key { return h.key }

func (h held) Sign(message []byte) (sig []byte, err error) {
	err = dialAgent(h.ctx, func(a Agent) (err error) {
		sig, err = a.Sign(h.key, message)
		return err
	})
	return sig, err
}

// openAgent finds the key of that id in the agent; without an id it must be the
// only one.
func openAgent(ctx context.Context, id string) (seal.Signer, error) {
	var keys []seal.Key
	err := dialAgent(ctx, func(a Agent) (err error) {
		keys, err = a.Keys()
		return err
	})
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, k := range keys {
		if k.ID() == id || id == "" && len(keys) == 1 {
			return held{ctx, k}, nil
		}
		ids = append(ids, k.ID())
	}
	if len(ids) == 0 {
		return nil, errors.New("the ssh-agent holds no Ed25519 key; make one with ssh-keygen -t ed25519 and add it with ssh-add")
	}
	return nil, fmt.Errorf("the ssh-agent holds no such key; it has agent:%s", strings.Join(ids, ", agent:"))
}

// dialAgent calls f with a connection that lasts as long as a person may take.
func dialAgent(ctx context.Context, f func(Agent) error) error {
	path := os.Getenv("SSH_AUTH_SOCK")
	if path == "" {
		return errors.New("SSH_AUTH_SOCK is not set; start an agent with: eval $(ssh-agent)")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("reach the ssh-agent: %w", err)
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	return f(Agent{conn})
}
