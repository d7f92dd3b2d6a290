package cloud

import (
	"errors"
	"slices"
	"syscall"
)

// ours are failures of this process to get what a call needs of the kernel.
var ours = [...]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

// ranShort tells whether a call failed for want of descriptors or memory here.
// It says nothing of the target nor of the network.
func ranShort(err error) bool {
	var no syscall.Errno
	return errors.As(err, &no) && slices.Contains(ours[:], no)
}
