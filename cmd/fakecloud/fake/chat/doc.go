// Package chat is what a well behaved chat API says: which requests it takes
// and in which words it refuses the others, the answer to a question, and the
// wire form of that answer, whole or in chunks. It is pure; package fake, which
// serves it, does all that takes time or goes wrong.
package chat
