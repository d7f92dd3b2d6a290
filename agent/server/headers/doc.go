// Package headers reads what the headers of an ask say (mode, privacy, deadline,
// cost, caching), and writes those that say who answered and why. Of two that
// contradict each other none wins: such a request is refused.
package headers
