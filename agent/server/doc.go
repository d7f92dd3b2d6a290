// Package server is the daemon's face: routes and what they refuse, the OpenAI
// dialect and the control routes. It decodes once, hands the request to
// the agent, and encodes once.
package server
