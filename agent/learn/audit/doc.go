// Package audit asks the cloud again what the device answered, now and then, to
// find out how often an answer that was taken as good is not: by chance alone,
// beside the road, when it costs the device nothing, within a day's budget that no
// kill lets grow, and only where the text may leave the device.
package audit
