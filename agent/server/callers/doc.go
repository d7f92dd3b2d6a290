// Package callers knows who is calling and what each caller may do. It is the
// one place that reads credentials: on a Unix socket the user id the kernel
// tells, over TCP one Authorization header with a bearer token. Nothing else is
// looked at: no x-api-key, no token in a URL, no second header.
package callers
