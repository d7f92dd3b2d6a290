// Package completion holds what a target said to a chat: the answer, read from
// a plain reply or from a stream as it comes, and the shape in which it goes to
// the caller. What is right goes on as it came, with fields that nothing here
// knows; what servers write in odd shapes is read leniently and put right.
//
// Shapes follow https://platform.openai.com/docs/api-reference/chat.
package completion
