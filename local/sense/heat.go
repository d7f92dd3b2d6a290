package sense

import (
	"path/filepath"
	"slices"
	"strings"
)

// processors are words in the names of sensors that feel the processor or its
// board. Others (radio, disk, charger, constants of power chips) say nothing
// about whether the engine should run, and reading some of them wakes a disk.
var processors = []string{"cpu", "soc", "core", "pkg", "package", "k10temp", "zenpower", "acpitz", "imx", "tsens"}

// ofProcessor tells whether the sensor feels the processor.
func ofProcessor(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(processors, func(word string) bool { return strings.Contains(name, word) })
}

// Celsius that a working sensor can say.
const coldest, hottest = -60, 150

// temperature senses the hottest spot of the processor.
func (s *Sampler) temperature(r sample) {
	highest, at := float64(coldest), ""
	for _, file := range append(s.zones(), s.monitors()...) {
		if milli, ok := tree(file).number(); ok && milli > highest*1000 && milli <= hottest*1000 {
			highest, at = milli/1000, file
		}
	}
	if at != "" {
		r.add(Temperature, highest, s.shown(at))
	}
}

// zones are the files of the thermal zones that feel the processor.
func (s *Sampler) zones() []string {
	var files []string
	for _, zone := range s.sys.names("class/thermal") {
		if strings.HasPrefix(zone, "thermal_zone") && ofProcessor(s.sys.text("class/thermal", zone, "type")) {
			files = append(files, string(s.sys.sub("class/thermal", zone, "temp")))
		}
	}
	return files
}

// monitors are the files of the hardware monitors that feel the processor.
func (s *Sampler) monitors() []string {
	var files []string
	for _, chip := range s.sys.names("class/hwmon") {
		if !ofProcessor(s.sys.text("class/hwmon", chip, "name")) {
			continue
		}
		some, _ := filepath.Glob(string(s.sys.sub("class/hwmon", chip, "temp*_input"))) // the pattern is right
		files = append(files, some...)
	}
	return files
}
