package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"nearside/agent/schema"
)

// reserved are services that have routes of their own, and words that stand
// beside services where it is said what a caller may do.
var reserved = []string{"chat", "embed", "known", "control"}

// api checks a target of kind http.
func (v *validator) api(path string, t *Target) {
	v.check(len(t.Services.APIs) > 0, path+".services", "is missing or a list; such as {inventory: {path: /v2/items}}")
	v.check(t.Models == nil, path+".models", "is for kind: openai; an API has services: {NAME: {path: ...}}")
	v.check(t.Price == nil, path+".price", "is for kind: openai, since it is per token")
	v.check(t.Context == 0, path+".context", "is for kind: openai")
	for _, name := range t.Services.Names {
		at, a := path+".services."+name, t.Services.APIs[name]
		v.serviceName(at, name)
		v.oneOf(at+".method", a.Method, "POST", "PUT", "PATCH", "GET")
		u, err := url.Parse(a.Path)
		ok := err == nil && strings.HasPrefix(a.Path, "/") && u.Path == u.EscapedPath() && !strings.ContainsAny(a.Path, "?#\\") && !strings.Contains(a.Path, "..") && u.Host == ""
		v.check(ok, at+".path", "%q must be a path such as /v2/items; it follows base_url", a.Path)
	}
	v.headers(path, t)
}

func (v *validator) serviceName(path, name string) {
	v.check(plainName(name), path, "%q "+nameRule, name)
	v.check(!slices.Contains(reserved, name), path, "%q is taken; a JSON API needs another name", name)
}

// framing are headers that are not for a config to set.
var framing = []string{"host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te", "trailer", "idempotency-key"}

func (v *validator) headers(path string, t *Target) {
	v.check(t.KeyHeader == "" || headerName(t.KeyHeader) && !slices.Contains(framing, strings.ToLower(t.KeyHeader)), path+".key_header", "must be the name of a header, such as X-Api-Key")
	v.check(t.KeyHeader == "" || !t.Key.IsZero(), path+".key_header", "needs key")
	for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
		at, lower := path+".headers", strings.ToLower(name)
		v.check(headerName(name), at, "%.80q is no name of a header", name)
		v.check(!slices.Contains(framing, lower), at, "%s is not for a config to set", lower)
		secret := slices.ContainsFunc([]string{"auth", "key", "token", "secret", "password", "cookie"}, func(w string) bool { return strings.Contains(lower, w) })
		v.check(!secret, at, "%.80s looks like the place of a secret; use key, with key_header", name)
		v.check(!strings.ContainsFunc(t.Headers[name], func(r rune) bool { return r < ' ' || r > '~' }), at, "the value of %.80s has a character no header takes", name)
	}
}

func headerName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// apis checks what is set for JSON APIs.
func (v *validator) apis(c *Config) {
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		path, s := "services."+name, c.Services[name]
		v.serviceName(path, name)
		v.schema(path+".request_schema", s.RequestSchema)
		reply := v.schema(path+".reply_schema", s.ReplySchema)
		v.reply(path+".default", s.Default, reply)
		v.check(s.Fresh >= 0 && s.Fresh <= c.Cache.Stale, path+".fresh", "must be from 0s to cache.stale")
		if s.Stale != nil {
			v.check(*s.Stale >= s.Fresh && *s.Stale <= c.Cache.Stale, path+".stale", "must be from fresh to cache.stale")
		}
	}
}

func (v *validator) doc(path string, d Doc) (ok bool) {
	v.check(d.fault == "", path, "cannot be read: %s", d.fault)
	return d.fault == "" && !d.IsZero()
}

// schema is the schema compiled, nil when there is none or it is wrong.
func (v *validator) schema(path string, d Doc) *schema.Schema {
	if !v.doc(path, d) {
		return nil
	}
	s, err := schema.Compile([]byte(d.Text))
	if err != nil {
		v.check(false, path, "%v", err)
	}
	return s
}

func (v *validator) reply(path string, d Doc, s *schema.Schema) {
	if !v.doc(path, d) {
		return
	}
	if !json.Valid([]byte(d.Text)) {
		v.check(false, path, "is not valid JSON")
		return
	}
	if s != nil {
		err := s.Check([]byte(d.Text))
		v.check(err == nil, path, "does not fit reply_schema: %v", err)
	}
}

// unoffered warns of services that are set and nobody offers.
func (c *Config) unoffered() []Warning {
	var list []Warning
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		if !c.offered(name) {
			list = append(list, Warning{fmt.Sprintf("services.%s: no target offers it", name), "add it to the services of a target of kind: http"})
		}
	}
	for i := range c.Callers {
		for _, name := range c.Callers[i].Services {
			if !c.offered(name) && !slices.Contains(reserved, name) {
				list = append(list, Warning{fmt.Sprintf("callers[%d].services: no target offers %s", i, name), "correct the name, or add it to the services of a target"})
			}
		}
	}
	return list
}

// offered tells whether a target or a model has the service.
func (c *Config) offered(name string) bool {
	return slices.ContainsFunc(c.Cloud.Targets, func(t Target) bool { return slices.Contains(t.Services.Names, name) }) ||
		slices.ContainsFunc(c.Local.Models, func(m Model) bool { return slices.Contains(m.Services, name) }) ||
		c.Local.Gate != nil && !c.Local.Disabled && name == GateService
}
