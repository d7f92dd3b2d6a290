// Package steer takes signed documents and commands on a device and answers for
// what is in force. One goroutine, [Steer.Run], owns the [trial.Record]: it
// verifies what comes, has it validated, saves every step before it takes
// effect, puts policies in force, watches them, confirms them or rolls them
// back. What is refused leaves everything as it was, and is told.
//
// It knows no broker, no database and no agent. What is steered is a [Subject],
// what outlives the process a [Keeper]; all roads (broker, pull, file) lead to
// [Steer.Offer]. Nothing here delays an answer to an ask.
package steer
