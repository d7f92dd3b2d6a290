// Package sandbox starts a program with what it needs and nothing else: no
// network, no powers, few files, bounded memory, and first in line when the
// machine runs out of it. The program of ours is started again as a launcher,
// closes itself in and becomes the other one. What a kernel or a container
// does not allow is left out and said.
package sandbox
