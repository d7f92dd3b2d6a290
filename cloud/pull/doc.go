// Package pull asks one fixed HTTPS address for signed envelopes, now and then,
// for devices that have no broker or whose broker is gone. What comes is not
// trusted here: it is bounded, and handed on to who verifies it. Nothing is sent
// while there is known to be no network, an answer that was there before costs
// its header only, and a server that asks for patience gets it.
//
// The address serves either one envelope (DSSE, a JSON object with payload,
// payloadType and signatures) or an index of several, offered in their order, so
// roots come first and the kinds after them:
//
//	{"envelopes":[ROOT, POLICY, PRICES]}
package pull
