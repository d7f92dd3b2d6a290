// Package embed holds the OpenAI embeddings wire: what a request may say, and
// how the reply of a target is checked, counted and put into the form the
// caller asked for, floats or base64, whichever of them the target gave.
//
// Shapes follow https://platform.openai.com/docs/api-reference/embeddings.
package embed
