package local_test

import (
	"testing"

	"nearside/local"
)

func TestQuantisation(t *testing.T) {
	for file, want := range map[string]string{
		"/models/SmolLM2-135M-Instruct.Q4_1.gguf": "Q4_1",
		"llama-3.2-3b-q4_k_m.gguf":                "Q4_K_M",
		"m_IQ3_XXS.gguf":                          "IQ3_XXS",
		"m-bf16.gguf":                             "BF16",
		"Q4_1/model.gguf":                         "",
		"model":                                   "",
		"":                                        "",
	} {
		if got := local.Quantisation(file); got != want {
			t.Errorf("%q: got %q, want %q", file, got, want)
		}
	}
}
