// Package simulate lives a day by a policy, in virtual time: asks come as a
// scenario says, signals move, the network goes and comes back, targets fail,
// and every ask is decided as it would be. What targets do is a model of a few
// numbers; what the policy does is the policy's own. The same scenario and seed
// give the same day, and a day can be drawn as an SVG timeline.
package simulate
