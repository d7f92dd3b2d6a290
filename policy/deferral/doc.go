// Package deferral says from the text of an ask, before anything has answered
// it, what sending it to the cloud would gain. It is a ridge regression on
// hashed words and pairs of words and on a few counts, fitted from at most
// [MaxLabels] asks whose gain is known. A fit is the same for the same labels,
// on every machine; a model is a few hundred kilobytes and holds no text.
package deferral
