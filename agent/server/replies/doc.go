// Package replies writes what routes answer: JSON, a line of text, errors in the
// OpenAI shape. It is the one place where an error becomes a status.
package replies
