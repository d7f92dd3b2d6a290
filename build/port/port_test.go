package port_test

import (
	"fmt"
	"net"
	"testing"

	"nearside/build/port"
)

// TestFree: a port can be listened on, and is none of those that the kernel
// gives, unless told otherwise, to whoever asks for any.
func TestFree(t *testing.T) {
	for range 100 {
		n, err := port.Free()
		if err != nil {
			t.Fatal(err)
		}
		if n < 1024 || n >= 32_768 {
			t.Errorf("got port %d, want one below those of the kernel", n)
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // and none is given twice
	}
	address, err := port.Address()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
