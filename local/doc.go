// Package local runs the models on the device. Each has a supervised child
// process that serves one model over a Unix socket in the OpenAI shape, owned
// by one goroutine from start to end; or it is a server somebody else runs,
// asked by URL. Requests to a child are rebuilt from an allow-list of fields,
// and the package says how sure a model was of its answer.
package local
