package whatif

import "nearside/policy"

// Field is one that conditions may test.
type Field struct {
	Field string `json:"field"`
	Kind  string `json:"kind"` // text, number, flag
	Unit  string `json:"unit"` // of a number, "" when it has none
	About string `json:"about"`
	Value any    `json:"value"` // nil: not known
}

// Fields lists all fields that conditions may test, with what they are for the
// ask and the signals.
func Fields(a *policy.Ask, s *policy.Signals) []Field {
	var all []Field
	for _, name := range policy.Fields() {
		unit, about := meaning(name)
		all = append(all, Field{name, policy.FieldKind(name), unit, about, policy.Value(name, a, s)})
	}
	return all
}

// meaning is a field's unit, and what it is.
func meaning(name string) (unit, about string) {
	for _, f := range meanings() {
		if f[0] == name {
			return f[1], f[2]
		}
	}
	return "", ""
}

func meanings() [][3]string {
	return [][3]string{
		{"service", "", "what is asked for: chat, embed, or a JSON API by its name"},
		{"model", "", "the model name that was asked for: auto, local, cloud, private or a target"},
		{"mode", "", "who may answer: auto, local, cloud"},
		{"task", "", "class of the question: chat, open, code, math, long, tools, schema, or the service"},
		{"intent", "", "what the scope gate takes the question for"},
		{"p_in_scope", "0 to 1", "chance, by the scope gate, that the intent is known and right"},
		{"caller", "", "who asks, by the name of the config"},
		{"privacy", "", "normal or private"},
		{"deadline_ms", "ms", "time for everything until the answer"},
		{"max_cost_usd", "USD", "most that the answer may cost"},
		{"size.bytes", "bytes", "size of the request"},
		{"size.tokens_est", "tokens", "estimate of the prompt's length"},
		{"size.tokens_out_est", "tokens", "length of the answer, at most"},
		{"needs.tools", "", "the request offers tools"},
		{"needs.schema", "", "the answer must be JSON of a schema"},
		{"needs.vision", "", "the request has pictures or other parts"},
		{"stream", "", "the answer is streamed"},
		{"network", "", "unknown, online, metered, portal, degraded or offline"},
		{"metered", "", "bytes cost money"},
		{"cpu_pct", "%", "processor in use"},
		{"mem_available_mb", "MB", "memory that programs may still have"},
		{"pressure_pct", "%", "time in which something waited for memory or processor"},
		{"temperature_c", "°C", "of the hottest part that is sensed"},
		{"battery_pct", "%", "charge of the battery"},
		{"charging", "", "the battery is being charged"},
		{"disk_free_mb", "MB", "free where the state is kept"},
	}
}
