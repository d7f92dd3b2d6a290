package kinds

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nearside/agent/config"
	"nearside/agent/config/strict"
	"nearside/cloud/parcel"
	"nearside/policy"
	"nearside/policy/calib"
	"nearside/policy/seal"
)

// Document is one of a kind, read and checked.
type Document interface {
	// Wishes are the files it needs before it can be in force.
	Wishes() []parcel.Wish
	// Load reads them; the error is why they cannot be used.
	Load(read Reader) error
	// over lays it over a config, and tells what of it does not apply here.
	over(cfg *config.Config, own *policy.Document) (notes []string, err error)
}

// Reader gives the content of a file whose digest was checked.
type Reader func(parcel.File) ([]byte, error)

// Read reads the body of a payload. The error has a line for each fault, with
// line, column and path.
func Read(p *seal.Payload) (Document, error) {
	files, err := filesOf(p)
	if err != nil {
		return nil, err
	}
	switch p.Kind {
	case seal.KindGate:
		return readGate(p.Body, files)
	case seal.KindCalibration:
		return readCalibration(p.Body, files)
	case seal.KindPrices:
		return readPrices(p.Body, files)
	case seal.KindTargets:
		return readTargets(p.Body, files)
	}
	return nil, fmt.Errorf("kind is %q: it must be one of %s", p.Kind, strings.Join(Names(), ", "))
}

// Names are the kinds that [Read] reads.
func Names() []string {
	return []string{seal.KindGate, seal.KindCalibration, seal.KindPrices, seal.KindTargets}
}

const maxFiles = 8

// filesOf checks the files of a payload.
func filesOf(p *seal.Payload) ([]parcel.File, error) {
	if len(p.Files) > maxFiles {
		return nil, fmt.Errorf("files has %d: at most %d", len(p.Files), maxFiles)
	}
	files := []parcel.File{}
	for i, f := range p.Files {
		file := parcel.File(f)
		if err := file.Check(); err != nil {
			return nil, fmt.Errorf("files[%d].%w", i, err)
		}
		files = append(files, file)
	}
	return files, nil
}

// noFiles is for kinds whose body says all.
func noFiles(kind string, files []parcel.File) error {
	if len(files) > 0 {
		return fmt.Errorf("files has %d: a document of kind %s has none", len(files), kind)
	}
	return nil
}

// Metered says whether large files may be fetched where bytes cost money: allow,
// or nothing.
type metered string

func (m metered) check(d *strict.Decoder) {
	if m != "" && m != "allow" {
		d.Report("metered", "must be allow, or absent")
	}
}

func (m metered) wishes(files []parcel.File) []parcel.Wish {
	var all []parcel.Wish
	for _, f := range files {
		all = append(all, parcel.Wish{File: f, Dear: m == "allow"})
	}
	return all
}

// Set is the documents in force, by kind. It never changes; others take its
// place. Nil is none.
type Set map[string]Document

// With is the set with another document of a kind, nil for none.
func (s Set) With(kind string, d Document) Set {
	next := maps.Clone(s)
	if next == nil {
		next = Set{}
	}
	if next[kind] = d; d == nil {
		delete(next, kind)
	}
	return next
}

// order is that in which documents are laid over a config: prices hold for
// targets that were added, too.
var order = [...]string{seal.KindGate, seal.KindCalibration, seal.KindTargets, seal.KindPrices}

// Note is what of a document does not hold on this device, and why.
type Note struct {
	Kind  string
	Text  string
	Whole bool // nothing of it does
	Late  bool // its files are not here: it will by itself when they have come
}

// Over is the config with the documents laid over it, and what of them does not
// hold here. The config is valid and stays as it is, and what comes of it is
// valid too: a document that would make it another is left out. Own is the
// policy that was given by hand.
func (s Set) Over(cfg *config.Config, own *policy.Document) (*config.Config, []Note) {
	var notes []Note
	for _, kind := range order {
		d := s[kind]
		if d == nil {
			continue
		}
		next, said, err := lay(d, cfg, own)
		for _, text := range said {
			notes = append(notes, Note{Kind: kind, Text: text})
		}
		if err != nil {
			notes = append(notes, Note{Kind: kind, Text: err.Error(), Whole: true})
			continue
		}
		cfg = next
	}
	return cfg, notes
}

// lay lays one document over a copy of a config.
func lay(d Document, cfg *config.Config, own *policy.Document) (*config.Config, []string, error) {
	next := *cfg
	next.Cloud.Targets = slices.Clone(cfg.Cloud.Targets)
	said, err := d.over(&next, own)
	if err != nil {
		return nil, said, err
	}
	if len(cfg.TargetNames()) > 0 && len(next.TargetNames()) == 0 {
		return nil, said, errors.New("with it nobody could answer: it switches off every target that this device has")
	}
	for _, p := range next.Validate() {
		return nil, said, fmt.Errorf("with it this device's config has a fault: %s: %s", p.Path, p.Message)
	}
	return &next, said, nil
}

// Table is the signed calibration of the model whose file has that SHA-256, nil
// when there is none.
func (s Set) Table(sha256 string) *calib.Table {
	c, _ := s[seal.KindCalibration].(*calibration)
	if c == nil {
		return nil
	}
	return c.tables[sha256]
}
