package openai

// Chat is the name of the service that the rest of this package speaks.
const Chat = "chat"

// Other reads a request of a service that is not chat and has a model. None of
// its fields is a list or an object that is too long. Its Read is for the caller
// to set, before it is given away.
func Other(service string, body []byte) (*Request, error) {
	r, err := newRequest(service, body)
	if err != nil {
		return nil, err
	}
	for _, f := range r.fields {
		if err := tooMany(f.name, f.value); err != nil {
			return nil, err
		}
	}
	return r, r.readModel()
}

// Opaque is a request of a service that is not chat, whose body is any JSON.
// That is its one field, called body.
func Opaque(service string, body []byte) *Request {
	return &Request{Service: service, Model: "auto", Size: len(body), fields: []field{{name: "body", value: body}}}
}
