// Package openai holds what is asked over the OpenAI chat wire: what a request
// may say, checked and kept with the fields it does not know, so that a caller
// may use what a cloud target offers beyond them. [Call], [Reply] and [Attempt]
// are what those who ask targets and those who have them asked say to each
// other.
//
// The rooms beside it have the answers (completion), what goes wrong (fault),
// who asks a server (client), and what is known of one (rolling).
//
// Shapes follow https://platform.openai.com/docs/api-reference/chat.
package openai
