package strict

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a text, besides its size, which the caller bounds. The parser's time grows with the square of the number of
// keys, and it recurses for every level.
const (
	maxTokens = 60_000
	maxKeys   = 10_000
	maxDepth  = 64
)

// parse reads one YAML document. The node is nil when there is nothing in it.
// Only what files of settings need is taken: keys, lists and plain values.
func parse(text []byte) (ast.Node, *fault) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if f := checkText(text); f != nil {
		return nil, f
	}
	tokens, f := scan(string(text))
	if f != nil {
		return nil, f
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxFault(err)
	}
	return single(file)
}

func checkText(text []byte) *fault {
	at := place{1, 1}
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			return &fault{at: at, message: "is not UTF-8 text"}
		case r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f:
			return &fault{at: at, message: "has a control character"}
		case r == '\n':
			at = place{at.line + 1, 0}
		}
		at.column++
		text = text[size:]
	}
	return nil
}

// scan splits the text into tokens and refuses what must not reach the parser.
func scan(text string) (token.Tokens, *fault) {
	var s scanner.Scanner
	s.Init(text)
	var tokens token.Tokens
	var b bounds
	for {
		some, err := s.Scan()
		if errors.Is(err, io.EOF) {
			return tokens, nil
		}
		if err != nil {
			return nil, syntaxFault(err)
		}
		for _, t := range some {
			if why := b.refuse(t); why != "" {
				return nil, &fault{at: placeOf(t), message: why}
			}
		}
		tokens.Add(some...)
	}
}

// bounds counts what the parser's time and stack depend on.
type bounds struct {
	tokens, keys int
	flow         int // open brackets
	line, dashes int // list entries that begin in this line
}

// refuse says why the token may not be parsed, "" when it may.
func (b *bounds) refuse(t *token.Token) string {
	b.tokens++
	switch t.Type {
	case token.AnchorType, token.AliasType, token.MergeKeyType:
		return "anchors (&), aliases (*) and merge keys (<<) are not taken; write the value out"
	case token.TagType, token.DirectiveType:
		return "tags (!) and directives (%) are not taken"
	case token.MappingKeyType:
		return "keys with ? are not taken; write key: value"
	case token.MappingValueType:
		b.keys++
	case token.SequenceStartType, token.MappingStartType:
		b.flow++
	case token.SequenceEndType, token.MappingEndType:
		b.flow--
	case token.SequenceEntryType:
		b.dash(t.Position.Line)
	}
	if b.flow > maxDepth || b.dashes > maxDepth {
		return "is nested too deep"
	}
	if b.tokens > maxTokens || b.keys > maxKeys {
		return "has too many entries"
	}
	return ""
}

func (b *bounds) dash(line int) {
	if line != b.line {
		b.line, b.dashes = line, 0
	}
	b.dashes++
}

// syntaxFault keeps the parser's message and place, not its excerpt of the file,
// in which a secret may stand.
func syntaxFault(err error) *fault {
	var invalid *scanner.InvalidTokenError
	if errors.As(err, &invalid) {
		return &fault{at: placeOf(invalid.Token), message: invalid.Token.Error}
	}
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		return &fault{at: placeOf(e.GetToken()), message: e.GetMessage()}
	}
	return &fault{at: place{1, 1}, message: "is not YAML"}
}

func placeOf(t *token.Token) place { return place{t.Position.Line, t.Position.Column} }

// single is the content of the one document in the file.
func single(file *ast.File) (ast.Node, *fault) {
	var found ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if found != nil {
			return nil, &fault{at: placeOf(doc.Body.GetToken()), message: "has a second document; only one is taken"}
		}
		found = doc.Body
	}
	return found, nil
}
