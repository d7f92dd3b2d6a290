// Package metrics counts what came of requests and shows it, together with the
// daemon's status, to Prometheus. A request costs a few atomic additions;
// everything else is read when somebody scrapes.
package metrics
