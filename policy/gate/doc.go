// Package gate tells what a short text asks for, and how likely it is that
// this is right and within what it was taught: a linear classifier over hashed
// words, pairs of words and runs of three to five characters, with weights of
// eight bits. [Train] makes one from examples, [Gate.Classify] asks it,
// [Gate.Encode] and [Read] are its file. Bytes go in, values come out: no file,
// clock or chance of its own, and the same examples and seed give the same gate.
package gate
