// Package fake is a small cloud LLM API for tests, demos and drills. It speaks
// the OpenAI chat protocol, answers deterministically, and breaks on demand in
// the ways real clouds break: refused connections, errors, hangs, cut streams,
// bodies that are not what they claim to be.
//
// It shares no wire code with the rest of the program, so that it cannot share
// its mistakes.
package fake
