package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nearside/policy"
)

// order is how the steps of a ladder are taken, however they are written.
var order = []string{policy.StepCache, policy.StepLocal, policy.StepCloud, policy.StepStale, policy.StepDefault, policy.StepRefuse}

// settings looks at ladders, weights, limits and tables.
func (c *checker) settings() {
	d := c.doc
	for _, name := range slices.Sorted(maps.Keys(d.Services)) {
		c.ladder("services."+name, name, d.Services[name])
		c.critical("services."+name, d.Services[name])
	}
	scored := func(s policy.Service) bool { return s.Balance == "score" }
	if d.Score != nil && !slices.ContainsFunc(slices.Collect(maps.Values(d.Services)), scored) {
		c.warn("score", "balance: score in a service, or leave it out", "no service has balance: score")
	}
	if w := d.Weights; w.Quality+w.Near+w.Latency+w.Errors+w.Load+w.Cost+w.Metered+w.CPU+w.Memory+w.Heat+w.Battery == 0 {
		c.warn("weights", "give at least quality a weight, such as 1", "all are 0: every target is worth the same, and the order of the config decides")
	}
	if l := d.Limits; l.AttemptMS > l.DeadlineMS {
		c.warn("limits.attempt_ms", fmt.Sprintf("at most deadline_ms, %d", l.DeadlineMS), "one attempt may take %d ms, more than the whole ask", l.AttemptMS)
	}
	for _, t := range []struct {
		path  string
		table map[string]float64
	}{{"quality.local", d.Quality.Local}, {"quality.cloud", d.Quality.Cloud}, {"check.budget", d.Check.Budget}} {
		for _, task := range slices.Sorted(maps.Keys(t.table)) {
			c.task(t.path+"."+task, task)
		}
	}
}

func (c *checker) ladder(path, name string, s policy.Service) {
	has := func(rung string) bool { return slices.Contains(s.Ladder, rung) }
	at := path + ".ladder"
	if !has(policy.StepLocal) && !has(policy.StepCloud) {
		c.warn(at, "add local or cloud before refuse", "asks nobody: only what is kept can answer")
	}
	sorted := slices.SortedFunc(slices.Values(s.Ladder), func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	local, cloud := slices.Index(s.Ladder, policy.StepLocal), slices.Index(s.Ladder, policy.StepCloud)
	if cloud >= 0 && cloud < local {
		sorted[slices.Index(sorted, policy.StepLocal)], sorted[slices.Index(sorted, policy.StepCloud)] = policy.StepCloud, policy.StepLocal
	}
	if !slices.Equal(sorted, s.Ladder) {
		c.warn(at, "["+strings.Join(sorted, ", ")+"]", "is not in the order in which steps are taken: cache, then local and cloud by utility, stale, default, refuse")
	}
	if !has(policy.StepCache) && s.Fresh == "always" {
		c.warn(path+".fresh", "add cache to the ladder, or fresh: never", "answers are fresh always, and the ladder does not look for them")
	}
	if name == "chat" && has(policy.StepDefault) {
		c.warn(at, "leave default out", "chat has no default reply: only JSON APIs have one")
	}
}

// critical looks at a service of which every answer must be verified.
func (c *checker) critical(path string, s policy.Service) {
	if !s.Critical {
		return
	}
	for i, rung := range s.Ladder {
		if rung == policy.StepCache || rung == policy.StepStale {
			c.warn(fmt.Sprintf("%s.ladder[%d]", path, i), "leave it out to say so", "%s is never taken: the service is critical, and nothing kept is verified", rung)
		}
	}
	for _, side := range []struct{ name, rule string }{{"local", s.Commit.Local}, {"cloud", s.Commit.Cloud}} {
		if side.rule != "" && side.rule != policy.CommitCheck {
			c.warn(path+".commit."+side.name, policy.CommitCheck, "%s is overruled: the service is critical, and nothing leaves before its check", side.rule)
		}
	}
}

// task holds a class of questions against those there are.
func (c *checker) task(path, task string) {
	if c.known.Tasks == nil || task == "default" || slices.Contains(c.known.Tasks, task) || c.doc.Services[task].Ladder != nil {
		return
	}
	c.warn(path, "one of "+strings.Join(c.known.Tasks, ", "), "no ask is of the class %q", task)
}

// thresholds looks at confidence that was never measured.
func (c *checker) thresholds() {
	table := c.doc.Check.Confidence
	for _, model := range slices.Sorted(maps.Keys(table)) {
		path := "check.confidence." + model
		if model != "default" && table[model] > 0 && !c.calibrated(model) {
			c.warn(path, "measure it, or leave it to default", "the threshold %v of %s was never measured: an uncalibrated one may be worse than none", table[model], model)
		}
		if model != "default" && c.known.Targets != nil && !slices.Contains(c.known.Targets, "local/"+model) && !slices.Contains(c.known.Calibrated, model) {
			c.warn(path, "one of "+strings.Join(c.known.Targets, ", "), "there is no local model %s", model)
		}
	}
	for _, target := range c.known.Targets {
		model, local := strings.CutPrefix(target, "local/")
		if _, own := table[model]; local && !own && table["default"] > 0 && !c.calibrated(model) {
			c.warn("check.confidence.default", "measure "+model+", or give it an entry of its own", "the threshold %v serves for %s too, which was never measured", table["default"], model)
		}
	}
}

func (c *checker) calibrated(model string) bool {
	return c.known.Calibrated == nil || slices.Contains(c.known.Calibrated, model)
}
