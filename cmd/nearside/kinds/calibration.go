package kinds

import (
	"fmt"
	"strings"

	"nearside/agent/config"
	"nearside/agent/config/strict"
	"nearside/cloud/parcel"
	"nearside/policy"
	"nearside/policy/calib"
)

// calibration is tables of local models: one in the body, or one in each file.
type calibration struct {
	Metered metered `json:"metered"`

	files  []parcel.File
	tables map[string]*calib.Table // by the SHA-256 of the model's file
}

func readCalibration(body string, files []parcel.File) (Document, error) {
	c := &calibration{files: files, tables: map[string]*calib.Table{}}
	if len(files) == 0 {
		return c, c.add("the body", []byte(body))
	}
	for i, f := range files {
		if f.Bytes > calib.MaxFile {
			return nil, fmt.Errorf("files[%d].bytes is %d: a calibration has at most %d", i, f.Bytes, calib.MaxFile)
		}
	}
	d := strict.Decode("calibration", []byte(body), c)
	c.Metered.check(d)
	return c, d.Err()
}

// add takes a table in. One of no model in particular would never be used.
func (c *calibration) add(from string, text []byte) error {
	t, err := calib.Decode(text)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	sum := t.Model().SHA256
	if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return fmt.Errorf("%s: table.model.sha256 must be 64 digits of lower-case hex", from)
	}
	if c.tables[sum] != nil {
		return fmt.Errorf("%s: there is a table of the model with SHA-256 %.12s already", from, sum)
	}
	c.tables[sum] = t
	return nil
}

func (c *calibration) Wishes() []parcel.Wish { return c.Metered.wishes(c.files) }

func (c *calibration) Load(read Reader) error {
	if len(c.files) == 0 {
		return nil
	}
	c.tables = map[string]*calib.Table{}
	for _, f := range c.files {
		text, err := read(f)
		if err == nil {
			err = c.add("file "+f.Name, text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// over: tables are looked up by [Set.Table].
func (c *calibration) over(*config.Config, *policy.Document) ([]string, error) { return nil, nil }
