// Package parcel brings the large files that a signed document names: its
// address, its size and the SHA-256 of its bytes. Nobody but the document can
// name an address, and no byte is used whose digest is not the signed one. A
// file is kept under its digest, so that no name of a document is ever part of a
// path; one that is cut off by a lost network or a power cut goes on where it
// was, and one that no document names any more is removed.
package parcel
