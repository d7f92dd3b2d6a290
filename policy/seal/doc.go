// Package seal is what makes a document from outside trustworthy: keys, signed
// envelopes, the roots that say whose signatures count, what a document says
// about whom it is for and until when, and what a device may believe of the
// time. Everything is a pure function of bytes and values; nothing here reads a
// file or a clock.
//
// Envelopes are DSSE (https://github.com/secure-systems-lab/dsse), signatures
// Ed25519 (RFC 8032), roots rotate as in The Update Framework: a new one is
// signed by enough keys of the old one and by enough of its own. The bytes are
// verified before what is in them is read. Whatever is not understood is
// refused, since a restriction that is ignored is none.
package seal
