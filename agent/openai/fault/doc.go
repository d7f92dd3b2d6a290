// Package fault holds what may go wrong between a caller and a target: errors
// in the OpenAI shape, as a target says them and as a caller reads them, and
// the ways in which a reply can fail to be one. [Result] names each in a word.
package fault
