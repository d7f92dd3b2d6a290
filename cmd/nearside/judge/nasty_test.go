package judge_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"nearside/cmd/nearside/judge"
	"nearside/policy"
	"nearside/policy/decide"
)

// fill repeats entries until a policy is nearly as large as one may be.
func fill(entry func(i int) string) string {
	const most = 46 << 10 // what is left of an envelope after base64
	all := strings.Builder{}
	for i := 0; all.Len() < most-2500; i++ {
		all.WriteString(entry(i))
	}
	return all.String()
}

// busy is what the process has had of the cores so far: what else the machine does
// is not in it.
func busy(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestNastyTexts: no text that fits an envelope keeps the device busy for long,
// when it is looked at or for each ask under it.
func TestNastyTexts(t *testing.T) {
	bodies := map[string]string{
		"tiny rules":   changed(fill(func(i int) string { return fmt.Sprintf("  - {name: r%d, then: {deny: [cloud]}}\n", i) })),
		"prefer rules": changed(fill(func(i int) string { return fmt.Sprintf("  - {name: r%d, then: {prefer: [cloud]}}\n", i) })),
		"numbers": changed(fill(func(i int) string {
			return fmt.Sprintf("  - {name: r%d, when: {field: battery_pct, lt: %d.%d}, then: {prefer: [local]}}\n", i, i%90+1, i)
		})),
		"anys": changed(fill(func(i int) string {
			return fmt.Sprintf("  - {name: r%d, when: {all: [{any: [{field: cpu_pct, lt: %d}, {field: cpu_pct, gt: %d}]}, {any: [{field: battery_pct, lt: %d}, {field: battery_pct, gt: %d}]}, {any: [{field: pressure_pct, lt: %d}, {field: pressure_pct, gt: %d}]}]}, then: {prefer: [local]}}\n", i, i%50, i%50+1, i%40, i%40+2, i%30, i%30+3)
		})),
		"one long list": changed("  - name: r\n    when: {field: caller, in: [" + fill(func(i int) string { return fmt.Sprintf("c%d, ", i) }) + "z]}\n    then: {prefer: [local]}\n"),
		"long lists": changed(fill(func(i int) string {
			return fmt.Sprintf("  - {name: r%d, when: {not: {field: caller, in: [%s z]}}, then: {prefer: [local]}}\n", i, strings.Repeat("a, ", 200))
		})),
		"deep": changed(fill(func(i int) string {
			return fmt.Sprintf("  - {name: r%d, when: %s{field: task, in: [a]}%s, then: {prefer: [local]}}\n", i, strings.Repeat("{not: ", 50), strings.Repeat("}", 50))
		})),
		"deep anys": changed(fill(func(i int) string {
			w := "{field: cpu_pct, lt: 5}"
			for k := range 25 {
				w = fmt.Sprintf("{any: [%s, {field: battery_pct, lt: %d}]}", w, k+1)
				if k%2 == 0 {
					w = "{not: " + w + "}"
				}
			}
			return fmt.Sprintf("  - {name: r%d, when: %s, then: {prefer: [local]}}\n", i, w)
		})),
		"windows": changed(fill(func(i int) string {
			return fmt.Sprintf("  - {name: r%d, when: {time: {from: \"%02d:%02d\", to: \"%02d:%02d\"}}, then: {prefer: [local]}}\n", i, i%24, i%60, (i+5)%24, i%59)
		})),
		"held": changed(fill(func(i int) string {
			return fmt.Sprintf("  - {name: r%d, when: {field: battery_pct, lt: %d}, until: {field: battery_pct, gt: %d}, then: {deny: [local]}}\n", i, i%40+1, i%40+50)
		})),
		"tests":    changed("") + "tests:\n  cases:\n" + fill(func(i int) string { return fmt.Sprintf("    - {name: a%d, want: {route: local}}\n", i) }),
		"brackets": strings.Repeat("[", 60000),
		"colons":   strings.Repeat("a:\n", 9000),
		"quotes":   strings.Repeat("\"a\" ", 15000),
		"spaces":   strings.Repeat(" ", 60000) + "x",
		"names":    changed(fill(func(i int) string { return "  - {name: " + strings.Repeat("x", 60) + ", then: {prefer: [local]}}\n" })),
		"unknown":  changed(fill(func(i int) string { return fmt.Sprintf("  - {nam%d: r}\n", i) })),
		"services": strings.Replace(changed(""), "services:\n", "services:\n"+fill(func(i int) string { return fmt.Sprintf("  s%d: {ladder: [local, cloud, refuse]}\n", i) }), 1),
	}
	b := device(t)
	b.Recent = lately(t, &b, 2000, 0.5)
	for name, body := range bodies {
		before := busy(t)
		j, err := judge.Check(t.Context(), body, b)
		if took := busy(t) - before; took > 10*time.Second {
			t.Errorf("%s: %d bytes keep a core busy for %v (%.200v)", name, len(body), took, err)
		}
		if err != nil {
			continue
		}
		fastest := time.Hour // of 20, which nothing else on the machine delayed
		for range 20 {
			begun := time.Now()
			a := policy.Ask{Service: "chat", Task: "chat", Caller: "x", DeadlineMS: 60_000, Size: policy.Size{TokensEst: 30, TokensOut: 512}}
			decide.Plan(j.Doc, &a, &b.Signals)
			policy.Hold(j.Doc, &b.Signals)
			fastest = min(fastest, time.Since(begun))
		}
		if fastest > 20*time.Millisecond {
			t.Errorf("%s: each ask is planned for %v", name, fastest)
		}
	}
}
