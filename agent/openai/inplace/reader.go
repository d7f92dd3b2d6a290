package inplace

import "encoding/json"

// Reader goes through a JSON text once, and checks every byte on its way: what
// it is asked for it gives as it lies in the text, what nobody asks for it
// passes over. It is used like this:
//
//	in := inplace.Read(text)
//	if in.Object() {
//		for in.Member() {
//			if string(in.Name) == "id" {
//				id = in.Value()
//			}
//		}
//	}
//	wellFormed := in.Done()
//
// A value is read by Value, or entered by Object or List and then read to its
// end, before anything is read of what it stands in. Nothing that was read may
// be relied on before Done is true.
type Reader struct {
	Name []byte // of the latest member
	Wide bool   // there may be a string that is more than ASCII, once Done is true

	text  []byte
	at    int  // the place of what is next
	entry int  // the place of the latest member
	depth int  // of the object or list that was entered
	due   bool // a value is next
	fresh bool // nothing was read yet of what was entered
	bad   bool // the text is not well formed
}

// Read begins a text.
func Read(text []byte) Reader { return Reader{text: text, at: skip(text, 0), due: true} }

// Object enters the value that is next, false when that is no object.
func (r *Reader) Object() bool { return r.enter('{') }

// List enters the value that is next, false when that is no list.
func (r *Reader) List() bool { return r.enter('[') }

func (r *Reader) enter(open byte) bool {
	if !r.due || r.at >= len(r.text) || r.text[r.at] != open {
		return false
	}
	r.at++
	r.depth++
	r.due, r.fresh, r.bad = false, true, r.bad || r.depth > maxDepth
	return true
}

// Member goes on to the next member of the object, false behind the last one.
// Its value is next.
func (r *Reader) Member() bool {
	if !r.next('}') {
		return false
	}
	from := r.at
	end := r.quote(from)
	if end < 0 {
		r.bad = true
		return false
	}
	colon := skip(r.text, end)
	if colon >= len(r.text) || r.text[colon] != ':' {
		r.bad = true
		return false
	}
	r.entry = from
	r.Name, r.at, r.due = nameOf(r.text[from:end]), skip(r.text, colon+1), true
	return true
}

// Element goes on to the next entry of the list, false behind the last one.
// That value is next.
func (r *Reader) Element() bool {
	r.due = r.next(']')
	return r.due
}

// next is at the next entry, or behind the end of what was entered.
func (r *Reader) next(end byte) bool {
	if r.due {
		r.Value()
	}
	i, fresh := skip(r.text, r.at), r.fresh
	r.fresh = false
	switch {
	case r.bad || r.depth == 0:
		return false
	case i < len(r.text) && r.text[i] == end:
		r.at = i + 1
		r.depth--
		return false
	case fresh:
		r.at = i
		return true
	case i < len(r.text) && r.text[i] == ',':
		r.at = skip(r.text, i+1)
		return true
	}
	r.bad = true
	return false
}

// Value is the value that is next, nil when none is.
func (r *Reader) Value() json.RawMessage {
	if !r.due || r.bad {
		return nil
	}
	from := r.at
	r.due = false
	if r.at = r.value(from, r.depth); r.at < 0 {
		r.at, r.bad = from, true
		return nil
	}
	return r.text[from:r.at]
}

// At is the place of what is next. It is for Since.
func (r *Reader) At() int { return r.at }

// Since is the value that begins at a place, when it was entered and read to
// its end.
func (r *Reader) Since(place int) json.RawMessage { return r.text[place:r.at] }

// Entry is the latest member as it lies, with its name, once its value was read.
func (r *Reader) Entry() []byte { return r.text[r.entry:r.at] }

// Done tells whether the text is one JSON value and well formed. It reads what
// is left of a text that nothing was read of.
func (r *Reader) Done() bool {
	if r.due {
		r.Value()
	}
	return !r.bad && r.depth == 0 && skip(r.text, r.at) == len(r.text)
}
