package server_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/agent/server/feed"
	"nearside/agent/server/signals"
	"nearside/agent/server/status"
	"nearside/policy"
)

// gauge is a device that takes down what is pushed.
type gauge struct {
	mu     sync.Mutex // guards all
	pushes []map[string]signals.Pushed
}

func (g *gauge) Signals() map[string]status.Signal {
	return map[string]status.Signal{"battery_pct": {Value: 8.0, Unit: "%"}, "charging": {}}
}

func (g *gauge) Push(p map[string]signals.Pushed) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pushes = append(g.pushes, p)
}

const signalsPath = "/v1/device/signals"

func TestSignals(t *testing.T) {
	g := &gauge{}
	f := world{device: g}.open(t)
	const want = `{"battery_pct":{"value":8,"unit":"%","age_s":null,"source":null},"charging":{"value":null,"unit":"","age_s":null,"source":null}}` + "\n"
	if got := f.call(f.unix, "GET", signalsPath, ""); got.status != 200 || got.body != want {
		t.Errorf("GET: %d %s", got.status, got.body)
	}
	got := f.call(f.unix, "PUT", signalsPath,
		`{"battery_pct":{"value":8,"ttl_s":300},"charging":{"value":false,"ttl_s":1},"network":{"ttl_s":86400,"value":"offline"},"metered":null}`)
	if got.status != 200 || got.body != want {
		t.Errorf("PUT: %d %s", got.status, got.body)
	}
	if pushed := []map[string]signals.Pushed{{
		"battery_pct": {Value: 8.0, TTL: 5 * time.Minute}, "charging": {Value: false, TTL: time.Second},
		"network": {Value: "offline", TTL: 24 * time.Hour}, "metered": {},
	}}; !reflect.DeepEqual(g.pushes, pushed) {
		t.Errorf("pushed %v", g.pushes)
	}
	if got := f.call(f.unix, "POST", signalsPath, "{}"); got.status != 405 || got.header.Get("Allow") != "GET, PUT" {
		t.Errorf("POST: %d, Allow %s", got.status, got.header.Get("Allow"))
	}
	if got := f.call(f.unix, "PUT", signalsPath, "{}", "Origin", "https://page.example"); got.status != 403 {
		t.Errorf("from a page: %d", got.status)
	}
}

// Of a push with a fault nothing is taken.
func TestBadSignals(t *testing.T) {
	g := &gauge{}
	f := world{device: g}.open(t)
	const battery = `{"battery_pct":`
	deep := battery + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}"
	for _, tt := range []struct{ body, param, says string }{
		{``, "", `{"battery_pct":{"value":8`}, {`[]`, "", "JSON object"}, {`null`, "", "JSON object"}, {`{"a"`, "a", "is not a signal"},
		{battery + `{"value":8,"ttl_s":9}`, "", "JSON object"}, {battery + `{"value":8,"ttl_s":9}} {}`, "", "JSON object"},
		{battery + `8}`, "battery_pct", "ttl_s"}, {battery + `{"value":8,"ttl_s":9,"unit":"%"}}`, "battery_pct", "ttl_s"},
		{battery + `{"value":NaN,"ttl_s":9}}`, "battery_pct", "must be"}, {battery + `{"value":1e999,"ttl_s":9}}`, "battery_pct.value", "from 0 to 100"},
		{battery + `{"value":"8","ttl_s":9}}`, "battery_pct.value", "from 0 to 100"}, {battery + `{"value":120,"ttl_s":9}}`, "battery_pct.value", "from 0 to 100"},
		{battery + `{"value":-1,"ttl_s":9}}`, "battery_pct.value", "from 0 to 100"}, {battery + `{"value":null,"ttl_s":9}}`, "battery_pct.value", "from 0 to 100"},
		{battery + `{"ttl_s":9}}`, "battery_pct.value", "from 0 to 100"}, {battery + `{"value":8}}`, "battery_pct.ttl_s", "from 1 to 86400"},
		{battery + `{"value":8,"ttl_s":0.9}}`, "battery_pct.ttl_s", "from 1 to 86400"}, {battery + `{"value":8,"ttl_s":86401}}`, "battery_pct.ttl_s", "from 1"},
		{battery + `{"value":8,"ttl_s":"9"}}`, "battery_pct.ttl_s", "from 1"}, {battery + `{"value":8,"ttl_s":null}}`, "battery_pct.ttl_s", "from 1"},
		{battery + `null,"battery_pct":null}`, "battery_pct", "twice"}, {deep, "battery_pct", "must be"},
		{`{"temperature_c":{"value":400,"ttl_s":9}}`, "temperature_c.value", "from -60 to 150"},
		{`{"charging":{"value":1,"ttl_s":9}}`, "charging.value", "true or false"},
		{`{"network":{"value":"up","ttl_s":9}}`, "network.value", "one of unknown, online"},
		{`{"battery_pct":{"value":8,"ttl_s":9},"fuel_pct":{"value":8,"ttl_s":9}}`, "fuel_pct", "known are cpu_pct,"},
	} {
		got := f.call(f.tcp, "PUT", signalsPath, tt.body)
		if got.status != 400 || got.fault.Param != tt.param || !strings.Contains(got.fault.Message, tt.says) {
			t.Errorf("%.80s: %d, %s: %s", tt.body, got.status, got.fault.Param, got.fault.Message)
		}
	}
	if got := f.call(f.tcp, "PUT", signalsPath, strings.Repeat(" ", 65<<10)+"{}"); got.status != 413 {
		t.Errorf("too large: %d", got.status)
	}
	if len(g.pushes) > 0 {
		t.Errorf("taken: %v", g.pushes)
	}
}

func TestExplainAssumes(t *testing.T) {
	f := world{}.open(t)
	got := f.call(f.tcp, "POST", "/v1/explain", hello, "x-nearside-signals", "temperature_c = 96, network=offline")
	if got.status != 200 || !strings.Contains(got.body, `"reason":"rule_hot_critical"`) || !strings.Contains(got.body, `"held":["hot_critical","hot"]`) {
		t.Errorf("got %d %s", got.status, got.body)
	}
	for list, param := range map[string]string{
		"battery_pct": "x-nearside-signals", "battery_pct=": "x-nearside-signals", "a=1,a=2": "x-nearside-signals", ",": "x-nearside-signals",
		"battery_pct=8;charging=true": "battery_pct", "moon=1": "moon", "temperature_c=Inf": "temperature_c", "charging=1": "charging",
	} {
		if got := f.call(f.tcp, "POST", "/v1/explain", hello, "x-nearside-signals", list); got.status != 400 || got.fault.Param != param {
			t.Errorf("%s: %d %s: %s", list, got.status, got.fault.Param, got.fault.Message)
		}
	}
}

// FuzzPush: what is taken is within its bounds, the rest is refused by name.
func FuzzPush(f *testing.F) {
	f.Add(`{"battery_pct":{"value":8,"ttl_s":300},"charging":null}`, "battery_pct=8, charging=false")
	f.Add(`{"network":{"value":"offline","ttl_s":1.5}} `, "network=offline")
	f.Add(`{"a":{"value":[[]]},"a":1`, "a=b=c,,")
	g := &gauge{}
	h := world{device: g}.server().Handler()
	f.Fuzz(func(t *testing.T, body, list string) {
		g.pushes = nil
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPut, "http://localhost"+signalsPath, strings.NewReader(body)))
		if w.Code != 200 && w.Code != 400 && w.Code != 413 || (w.Code == 200) != (len(g.pushes) == 1) {
			t.Fatalf("status %d, %d pushes: %s", w.Code, len(g.pushes), w.Body)
		}
		for _, p := range g.pushes {
			for name, v := range p {
				if err := new(policy.Signals).Set(name, v.Value); v.Value != nil && (err != nil || v.TTL < time.Second || v.TTL > 24*time.Hour) {
					t.Fatalf("%s=%v was taken", name, v)
				}
			}
		}
		r := httptest.NewRequest(http.MethodPost, "http://localhost/v1/explain", strings.NewReader(hello))
		r.Header.Set("x-nearside-signals", list)
		w = httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 || strings.Contains(w.Body.String(), "NaN") && w.Code == 200 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
	})
}

// broken is a device whose code has a fault.
type faulty struct{ gauge }

func (*faulty) Signals() map[string]status.Signal { panic("out of order") }

// TestPanic: a fault of ours costs one request, and operators hear of it.
func TestPanic(t *testing.T) {
	news := feed.New(feed.Options{})
	f := world{device: &faulty{}, log: news.Handler(slog.LevelInfo)}.open(t)
	resp, err := f.tcp.Get("http://" + f.addr + signalsPath)
	if err == nil {
		resp.Body.Close()
		t.Errorf("status %d", resp.StatusCode)
	}
	if got := f.call(f.tcp, "GET", "/healthz", ""); got.status != 200 {
		t.Errorf("afterwards: %d", got.status)
	}
	if all := news.Latest(); len(all) != 1 || !strings.Contains(string(all[0].Data), `"level":"ERROR","msg":"http: panic serving`) {
		t.Errorf("logged: %d records, %+v", len(all), all)
	}
}
