// Package client asks one server that speaks the OpenAI wire: chat, plain or
// streamed, and calls whose reply is one body. It follows no redirects and never
// tries again; what it is told comes as an answer, or as an error of agent/openai/fault.
package client
