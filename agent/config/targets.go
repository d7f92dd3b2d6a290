package config

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"

	"nearside/agent/config/remote"
	"nearside/agent/config/secret"
	"nearside/policy"
)

func (v *validator) cloud(targets []Target) {
	names := map[string]bool{}
	for i := range targets {
		path := fmt.Sprintf("cloud.targets[%d]", i)
		v.name(path, targets[i].Name, names)
		v.target(path, &targets[i])
	}
}

func (v *validator) target(path string, t *Target) {
	v.oneOf(path+".kind", t.Kind, "openai", "http")
	v.url(path+".base_url", t.BaseURL, "http", "https")
	v.key(path+".key", t.Key)
	v.check(t.Weight >= 0 && t.Weight <= 100, path+".weight", "must be from 1 to 100")
	if t.Kind == "http" {
		v.api(path, t)
		return
	}
	v.check(t.Services.APIs == nil, path+".services", "must be a list of names; only kind: http has paths")
	v.check(t.Headers == nil && t.KeyHeader == "", path, "has headers or key_header, which only kind: http takes")
	v.check(len(t.Models) > 0, path+".models", "is missing or empty; such as {chat: some-model}")
	v.services(path+".models", slices.Sorted(maps.Keys(t.Models)))
	for _, service := range slices.Sorted(maps.Keys(t.Models)) {
		v.check(t.Models[service] != "", path+".models."+service, "is empty")
	}
	for i, service := range t.Services.Names {
		_, ok := t.Models[service]
		v.check(ok, fmt.Sprintf("%s.services[%d]", path, i), "%q has no model in models", service)
	}
	v.check(t.Context >= 0, path+".context", "must be 0 or more")
	if p := t.Price; p != nil {
		v.check(price(p.Input), path+".price.input", "must be a number of USD, 0 or more")
		v.check(price(p.Output), path+".price.output", "must be a number of USD, 0 or more")
	}
}

func price(usd float64) bool { return usd >= 0 && !math.IsInf(usd, 0) }

func (v *validator) remote(r *remote.Remote) {
	for _, f := range r.Faults() {
		v.check(false, f.Path, "%s", f.Message)
	}
	for _, k := range r.Keys() {
		v.key("remote.mqtt.password", *k)
	}
}

// name checks the name of one of a list, which no other may have.
func (v *validator) name(path, name string, seen map[string]bool) {
	lower := strings.ToLower(name)
	if name == "" {
		v.check(false, path+".name", "is missing")
		return
	}
	v.check(plainName(name), path+".name", "%q "+nameRule, name)
	v.check(!seen[lower], path+".name", "%q is there twice", name)
	seen[lower] = true
}

func (v *validator) services(path string, names []string) {
	for i, name := range names {
		v.check(plainName(name), path, "%q "+nameRule, name)
		v.check(!slices.Contains(names[:i], name), path, "%q is there twice", name)
	}
}

const nameRule = "must be at most 64 letters and digits, after the first also . _ - and :"

// plainName tells whether the name can stand in a header, a path and a metric.
func plainName(s string) bool {
	for i, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("._-:", c)) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func isHex(s string, length int) bool {
	return len(s) == length && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// url checks an absolute URL. What is wrong with it may be a password in it.
func (v *validator) url(path, value string, schemes ...string) {
	u, err := url.Parse(value)
	switch {
	case value == "":
		v.check(false, path, "is missing")
	case err != nil || u.Hostname() == "" || !slices.Contains(schemes, u.Scheme):
		v.check(false, path, "must be a URL that begins with %s://", strings.Join(schemes, ":// or "))
	default:
		v.check(u.User == nil, path, "must hold no user and no password")
		v.check(!strings.ContainsAny(value, "?#"), path, "must end with its path, without ? and #")
	}
}

func (v *validator) key(path string, k secret.Key) {
	ways := 0
	for _, set := range []bool{k.Env != "", k.File != "", k.Command != nil} {
		if set {
			ways++
		}
	}
	v.check(ways <= 1, path, "must have only one of env, file and command")
	v.check(k.Env == "" || variable(k.Env), path+".env", "must be the name of a variable: letters, digits and _; not the key itself")
	v.check(k.Command == nil || len(k.Command) > 0 && k.Command[0] != "", path+".command", "must begin with a program")
}

func variable(s string) bool {
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == "" && (s[0] < '0' || s[0] > '9')
}

// TargetNames are all that the config can ask: local/NAME and cloud/NAME.
func (c *Config) TargetNames() []string {
	names := []string{}
	for _, m := range c.Local.Models {
		names = append(names, policy.Local+"/"+m.Name)
	}
	if g := c.Local.Gate; g != nil {
		names = append(names, policy.Local+"/"+g.Name())
	}
	for _, t := range c.Cloud.Targets {
		names = append(names, policy.Cloud+"/"+t.Name)
	}
	return names
}
