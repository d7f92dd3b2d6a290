// Package exact reads JSON from outside as strictly as it can be read: exact
// names, each once and all of them known, whole numbers in plain digits, times,
// base64 in one form, no text that two readers could understand differently.
// Every fault names the field and what would be right.
package exact
