// Package openai holds the OpenAI chat wire: what a request may say, what a
// reply looks like plain and streamed, and a client for any server that speaks it. It keeps fields it does not know, so that a caller
// may use what a cloud target offers beyond them, and reads leniently what
// servers write in odd shapes.
//
// [Call], [Reply] and [Attempt] are what those who ask targets and those who
// have them asked say to each other.
//
// Shapes follow https://platform.openai.com/docs/api-reference/chat, streams
// the WHATWG "server-sent events" format.
package openai
