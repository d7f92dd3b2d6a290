package fake_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"nearside/cmd/fakecloud/fake"
)

const (
	embeddingsPath = "/v1/embeddings"
	itemsPath      = "/v2/items"
)

// vectors asks for embeddings and reads those that are floats.
func (b *bench) vectors(input, more string) [][]float32 {
	b.t.Helper()
	status, _, body := b.call(embeddingsPath, `{"model":"fake-model","input":`+input+more+`}`)
	var got struct {
		Data []struct {
			Index     int
			Embedding json.RawMessage
		}
		Usage struct {
			Tokens int `json:"total_tokens"`
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || got.Usage.Tokens == 0 {
		b.t.Fatalf("got %d %s (%v)", status, body, err)
	}
	var all [][]float32
	for _, d := range got.Data {
		all = append(all, floats(b.t, d.Embedding))
	}
	return all
}

func floats(t *testing.T, raw json.RawMessage) (v []float32) {
	t.Helper()
	var packed string
	if json.Unmarshal(raw, &packed) != nil {
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	b, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+4 <= len(b); i += 4 {
		v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(b[i:])))
	}
	return v
}

func TestEmbeddings(t *testing.T) {
	b := newBench(t, fake.Options{})
	for input, want := range map[string]int{`"one"`: 1, `["one","two"]`: 2, `[1,2,3]`: 1, `[[1],[2,3]]`: 2} {
		if got := b.vectors(input, ""); len(got) != want || len(got[0]) != 8 {
			t.Errorf("%s: got %v, want %d vectors of 8", input, got, want)
		}
	}
	plain, packed := b.vectors(`"one"`, `,"dimensions":3`)[0], b.vectors(`"one"`, `,"dimensions":3,"encoding_format":"base64"`)[0]
	if len(plain) != 3 || len(packed) != 3 || plain[2] != packed[2] {
		t.Errorf("got %v as floats and %v as base64, want the same three", plain, packed)
	}
	if status, _, _ := b.call(embeddingsPath, `{"model":"fake-model","input":[]}`); status != 400 {
		t.Errorf("no input: got %d", status)
	}
	b.set(fake.Fault{Kind: fake.Misshapen})
	if got := b.vectors(`["one","two"]`, ""); len(got[1]) != 7 {
		t.Errorf("misshapen: got %v", got)
	}
	b.set(fake.Fault{Kind: fake.NoChoices})
	if got := b.vectors(`"one"`, ""); len(got) != 0 {
		t.Errorf("no_choices: got %v", got)
	}
}

func TestItems(t *testing.T) {
	b := newBench(t, fake.Options{Name: "shop"})
	f := func(body string, status int, want string) {
		t.Helper()
		got, _, text := b.call(itemsPath, body)
		if got != status || !strings.Contains(text, want) {
			t.Errorf("%s: got %d %s, want %d %s", body, got, text, status, want)
		}
	}
	f(`{"article":"screw"}`, 200, `{"article":"screw","from":"shop","stock":35}`)
	f(`{}`, 422, "no_article")
	f(`[`, 400, "not a JSON object")
	f(`{"article":"unicorn"}`, 404, "no_such_article")
	b.set(fake.Fault{Kind: fake.Misshapen})
	f(`{"article":"screw"}`, 200, `"stock":"plenty"`)
	b.set(fake.Fault{Kind: fake.Empty})
	f(`{"article":"screw"}`, 200, `{}`)
}
