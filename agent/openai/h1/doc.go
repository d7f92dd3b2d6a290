// Package h1 makes HTTP/1.1 calls without TLS on the goroutine that asks: it
// writes the request, reads the reply and keeps the connection, where
// [http.Transport] hands each call to two goroutines of its connection and
// back. That is worth having for targets that are near, whose answer takes no
// longer than the handing over.
//
// Replies are read by [http.ReadResponse]. Whatever is not a small plain
// request goes the library's way, with the settings both share.
//
// The wire is that of RFC 9112.
package h1
