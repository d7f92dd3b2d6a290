package policy

import (
	"slices"
	"strings"
	"time"
)

// Window is a span of the day that comes back every day, or on some days. One
// that ends before it begins goes on past midnight and belongs to the day on
// which it began. A time that is not known is in no window.
type Window struct {
	From string   `json:"from,omitempty"` // such as "22:00"; with To, or both are left out: the whole day
	To   string   `json:"to,omitempty"`   // such as "06:00"; it is no longer in the window. At most "24:00"
	Days []string `json:"days,omitempty"` // mon to sun, on which it begins; none is every day
	Zone string   `json:"zone,omitempty"` // local, by the offset of the signals' time, or utc; "" is local
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Weekdays lists what days are called, in the order of [time.Weekday].
func Weekdays() []string { return slices.Clone(weekdays) }

// Holds tells whether the time is in the window.
func (w *Window) Holds(t time.Time) bool {
	if t.IsZero() {
		return false
	}
	if w.Zone == "utc" {
		t = t.UTC()
	}
	now, today := t.Hour()*60+t.Minute(), int(t.Weekday())
	from, _ := Clock(w.From)
	to, ok := Clock(w.To)
	if !ok {
		to = 24 * 60
	}
	if from < to {
		return from <= now && now < to && w.on(today)
	}
	return now >= from && w.on(today) || now < to && w.on((today+6)%7)
}

func (w *Window) on(day int) bool {
	return len(w.Days) == 0 || slices.Contains(w.Days, weekdays[day])
}

// Clock reads a time of the day, HH:MM from 00:00 to 24:00, as minutes since
// midnight.
func Clock(text string) (minutes int, ok bool) {
	if len(text) != 5 || text[2] != ':' || strings.Trim(text[:2]+text[3:], "0123456789") != "" {
		return 0, false
	}
	h, m := int(text[0]-'0')*10+int(text[1]-'0'), int(text[3]-'0')*10+int(text[4]-'0')
	return h*60 + m, m < 60 && h*60+m <= 24*60
}
