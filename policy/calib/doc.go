// Package calib turns a score into the chance that an answer is good. A table
// is fitted from labelled answers of one model, per class of task and pooled,
// and says P(good) of a score, what sending the ask on would gain, and which
// score keeps the share of errors within a budget. [Drift] watches whether a
// table still holds. Everything is arithmetic on values: no file, no clock.
package calib
