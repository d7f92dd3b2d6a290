// Package server is the daemon's face: it refuses what may not come in, bounds
// what may, decodes each ask once, hands it to the agent and encodes the answer
// once, in the OpenAI dialect. What sees and steers the daemon is in the rooms
// control and steering; it mounts and guards them.
package server
