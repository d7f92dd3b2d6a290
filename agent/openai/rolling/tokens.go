package rolling

import "nearside/agent/openai"

// How bytes per token are learned: from prompts that are long enough for their
// text to outweigh what frames it, within what tokenizers can be.
const (
	longEnough  = 400 // bytes of a prompt
	fewSamples  = 5   // below it nothing is said
	forget      = 0.1 // weight of the latest sample
	leastBytes  = 1
	mostBytes   = 8
	frameOfTurn = 16 // bytes that a turn counts for beside its text
)

// perToken is a rolling mean of bytes per token. The zero value is ready.
type perToken struct {
	mean    float64
	samples int
}

// add takes in a prompt's bytes and the tokens that the target counted.
func (p *perToken) add(bytes, tokens int) {
	if tokens <= 0 {
		return
	}
	p.samples = min(p.samples+1, 1<<20)
	one := min(max(float64(bytes)/float64(tokens), leastBytes), mostBytes)
	p.mean += (one - p.mean) * max(forget, 1/float64(p.samples))
}

// figure is the mean; ok is false while it rests on too little.
func (p *perToken) figure() (mean float64, ok bool) { return p.mean, p.samples >= fewSamples }

// Counted takes in how many tokens the prompt of a chat was by the whole reply to
// it. Nothing is learned from pictures, nor where the target counts nothing.
func (f *Figures) Counted(r *openai.Request, reply *openai.Reply) {
	switch {
	case r.Service != openai.Chat || reply == nil || reply.Answer == nil || reply.Answer.Usage == nil:
		return
	case reply.Stream != nil && !reply.Stream.Ended():
		return
	}
	bytes, tokens := promptBytes(r), reply.Answer.Usage.In
	if bytes < longEnough || r.HasParts() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.moved = true
	f.tokens.add(bytes, tokens)
}

// promptBytes is about how much of the request is prompt.
func promptBytes(r *openai.Request) int {
	n := len(r.Field("tools"))
	for _, m := range r.Messages {
		n += frameOfTurn + len(m.Content)
	}
	return n
}
