// Package trial is how a device takes a document from outside without ever
// being worse off for long. A [Record] holds all that must outlive a power
// cut: what is in force, what is on trial, how old nothing may be any more,
// what was found to be bad. Each step makes a new Record of an old one;
// whoever drives it saves the new one before anything is seen of it outside,
// and asks [Record.Todo] what is to be done next, after a step as after a
// power cut.
//
//	           Received        Stored           Swapped          Confirmed
//	envelope ----------> verified ----> candidate ----> probation ----> confirmed
//	                       |                |               |
//	               Dropped v                +---------------+---> RolledBack: the last good one
//
// A document on trial is judged by what comes of asks, against the time
// before ([Verdict]). Shares of asks are compared, each with a margin:
//
//	harm      an ask counts that                            margin   limit without a time before
//	errors    failed                                        15 %     50 %
//	refusals  policy refused                                15 %     50 %
//	poor      got an answer known to be poor                20 %     60 %
//	given up  was given up by its caller                    30 %     60 %
//	slow      took 3 times the median before, 0.5 s more
//	          at least (30 s when that is not known)        30 %     50 %
//	dear      cost 20 times the mean before (0.01 USD when
//	          that is not known, 0.002 when it was free)    10 %     50 %
//
// From [Clear] asks on, a share that is beyond usual and margin with hardly a
// doubt (the lower bound of Wilson, 3 standard deviations) is rolled back at
// once. From [Enough] asks and [Least] on, a document whose shares are all
// within is confirmed. What is between is decided after [Final] asks, or
// [Enough] of them in [Latest], by the shares as they are. Asks that wait for
// longer than the limit count as slow, so that what hangs is found too. With
// fewer asks it waits, for as long as it takes.
//
// To keep more on the device and to spend less is always allowed, and nothing
// looser is to take the place of that because answers got poorer: of asks from
// which the document keeps the cloud, only errors and that they were given up
// count, or that they hang ([Outcome].Kept). What answers got poorer by, slower
// or fewer is what the operator chose.
//
// The package is pure: no clock, no file, no socket; times come in with what
// happened.
package trial
