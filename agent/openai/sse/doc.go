// Package sse reads server-sent events, by the WHATWG "server-sent events"
// format, with bounds: no line and no event takes more memory than they allow.
package sse
