package fake

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"nearside/cmd/fakecloud/fake/chat"
)

const (
	chatPath   = "/v1/chat/completions"
	modelsPath = "/v1/models"
)

// incoming is a call as it was read, with the error that ended its body early.
type incoming struct {
	r      *http.Request
	body   []byte
	broken error
}

// answer takes one call from the fault to the last byte.
func (s *Server) answer(c *call, in incoming) error {
	var large *http.MaxBytesError
	if errors.As(in.broken, &large) {
		return c.refuse(chat.Rejected(http.StatusRequestEntityTooLarge, "request_too_large",
			"The body is larger than %d bytes.", large.Limit))
	}
	if in.broken != nil {
		return fmt.Errorf("read request: %w", in.broken)
	}
	isChat := in.r.URL.Path == chatPath && in.r.Method == http.MethodPost
	isAnswer := !strings.HasPrefix(in.r.URL.Path, modelsPath)
	c.fault = s.take(isAnswer, isChat && chat.WantsStream(in.body))
	if done, err := c.front(); done {
		return err
	}
	if bad := s.checkKey(in.r.Header); bad != nil {
		return c.refuse(bad)
	}
	return s.route(c, in)
}

func (s *Server) checkKey(h http.Header) *chat.Failure {
	if s.opts.Key == "" {
		return nil
	}
	key, isBearer := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	switch {
	case !isBearer:
		return chat.Rejected(http.StatusUnauthorized, "", "You didn't provide an API key. You need to provide your API key "+
			"in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).")
	case key != s.opts.Key:
		return chat.Rejected(http.StatusUnauthorized, "invalid_api_key", "Incorrect API key provided: %.4s***.", key)
	}
	return nil
}

func (s *Server) route(c *call, in incoming) error {
	id, isModel := strings.CutPrefix(in.r.URL.Path, modelsPath+"/")
	if bad := checkRoute(in.r, isModel); bad != nil {
		return c.refuse(bad)
	}
	switch {
	case in.r.URL.Path == chatPath:
		return s.chat(c, in)
	case in.r.URL.Path == embeddingsPath:
		return s.embeddings(c, in)
	case in.r.URL.Path == itemsPath:
		return s.items(c, in)
	case isModel:
		return s.model(c, id)
	}
	var data []any
	for _, m := range s.opts.Models {
		data = append(data, s.describe(m))
	}
	return c.json(map[string]any{"object": "list", "data": data})
}

// checkRoute refuses paths and methods there are none of.
func checkRoute(r *http.Request, isModel bool) *chat.Failure {
	method := http.MethodGet
	switch {
	case r.URL.Path == chatPath, r.URL.Path == embeddingsPath, r.URL.Path == itemsPath && r.Method != http.MethodGet:
		method = http.MethodPost
	case !isModel && r.URL.Path != modelsPath && r.URL.Path != itemsPath:
		return chat.Rejected(http.StatusNotFound, "", "Invalid URL (%s %s)", r.Method, r.URL.Path)
	}
	if r.Method != method {
		return chat.Rejected(http.StatusMethodNotAllowed, "method_not_supported", "Only %s requests are accepted.", method)
	}
	return nil
}

func (s *Server) model(c *call, id string) error {
	if bad := s.checkModel(id); bad != nil {
		return c.refuse(bad)
	}
	return c.json(s.describe(id))
}

func (s *Server) checkModel(id string) *chat.Failure {
	if slices.Contains(s.opts.Models, id) {
		return nil
	}
	return chat.Rejected(http.StatusNotFound, "model_not_found", "The model `%s` does not exist or you do not have access to it.", id)
}

func (s *Server) describe(model string) map[string]any {
	return map[string]any{"id": model, "object": "model", "created": 1700000000, "owned_by": s.opts.Name}
}

func (s *Server) chat(c *call, in incoming) error {
	if bad := checkContentType(in.r.Header); bad != nil {
		return c.refuse(bad)
	}
	q, bad := chat.Parse(in.body)
	if bad == nil {
		bad = s.checkModel(q.Model)
	}
	if bad != nil {
		return c.refuse(bad)
	}
	if c.fault.Kind == Misshapen {
		q.ResponseFormat.Type = "text"
	}
	a := chat.Compose(chat.Voice{Name: s.opts.Name, Words: s.opts.Words}, q)
	if c.fault.Kind == Empty {
		a = a.Blank()
	}
	if err := c.pause(s.opts.FirstByte); err != nil {
		return err
	}
	if q.Stream {
		return s.stream(c, q, a)
	}
	return s.plain(c, q, a)
}

func (s *Server) plain(c *call, q chat.Request, a chat.Answer) error {
	if err := c.pause(s.perToken() * time.Duration(a.Tokens())); err != nil {
		return err
	}
	v := chat.Whole(s.envelope(c, q, "chat.completion"), q, a)
	if c.fault.Kind == NoChoices {
		v.Choices = v.Choices[:0]
	}
	return c.json(v)
}

func (s *Server) stream(c *call, q chat.Request, a chat.Answer) error {
	head := s.envelope(c, q, "chat.completion.chunk")
	list, last := chat.Chunks(head, q, a)
	if c.fault.Kind == NoChoices {
		list, last = list[:1], 0
		list[0].Choices = list[0].Choices[:0]
	}
	c.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	c.w.Header().Set("Cache-Control", "no-cache")
	if err := c.head(http.StatusOK); err != nil {
		return err
	}
	bad := min(c.fault.After, last)
	for i, ch := range list {
		if over, err := c.breakAt(i == bad); over {
			return err
		}
		if err := c.event(ch, i == bad && c.fault.Kind == CutJSON); err != nil {
			return err
		}
		if err := c.pause(s.perToken()); err != nil {
			return err
		}
	}
	return c.write([]byte("data: [DONE]\n\n"))
}

// breakAt plays the faults that end a stream, when their place has come.
func (c *call) breakAt(place bool) (over bool, err error) {
	if !place {
		return false, nil
	}
	switch c.fault.Kind {
	case HangStream:
		return true, c.hang()
	case CutStream:
		return true, errCut
	case EndStream:
		return true, nil
	case ErrorStream:
		return true, c.event(map[string]any{"error": chat.FailureFor(http.StatusInternalServerError)}, false)
	}
	return false, nil
}

// event sends v, or half of it, as one server-sent event.
func (c *call) event(v any, half bool) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	if half {
		body = body[:len(body)/2]
	}
	return c.write(fmt.Appendf(nil, "data: %s\n\n", body))
}

func (s *Server) envelope(c *call, q chat.Request, object string) chat.Envelope {
	return chat.Envelope{
		ID:                fmt.Sprintf("chatcmpl-%08x", c.serial),
		Object:            object,
		Created:           time.Now().Unix(),
		Model:             q.Model,
		ServiceTier:       "default",
		SystemFingerprint: "fp_" + s.opts.Name,
	}
}

// perToken is the time one token takes.
func (s *Server) perToken() time.Duration {
	if s.opts.TokensPerSecond <= 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / s.opts.TokensPerSecond)
}

// checkContentType refuses what is not declared as JSON.
func checkContentType(h http.Header) *chat.Failure {
	got := h.Get("Content-Type")
	kind, _, _ := strings.Cut(got, ";")
	if strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		return nil
	}
	return chat.Rejected(http.StatusUnsupportedMediaType, "unsupported_content_type", "Unsupported content type: '%s'. "+
		"This API method only accepts 'application/json' requests.", got)
}
