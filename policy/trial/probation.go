package trial

import "time"

// Probation is what is known of a document since it is on trial. It is saved
// now and then, so that a restart costs a few asks and not all.
type Probation struct {
	Usual   Figures       `json:"usual"`   // the time before
	Sofar   Figures       `json:"sofar"`   // what came of asks since, until it was last saved
	Watched time.Duration `json:"watched"` // how long since, until it was last saved
}
