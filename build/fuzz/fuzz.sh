#!/bin/sh
# Runs fuzz targets one after the other, each for $FUZZTIME, and prints one
# line for each: `fuzz PACKAGE TARGET TIME EXECS RESULT`.
#
#   build/fuzz/fuzz.sh              every fuzz target of the tree
#   build/fuzz/fuzz.sh ./store      those of a package
#   build/fuzz/fuzz.sh ./store Any  those of them whose name says so
#
# What is found is kept by go in the package's testdata/fuzz. RESULT is ok; FOUND;
# or stalled, when the input passes by itself: go takes ten seconds without
# progress for a hang, which a busy machine makes of anything.
set -u
cd "$(dirname "$0")/../.." || exit
time=${FUZZTIME:-10m}
out=$(mktemp) list=$(mktemp)
trap 'rm -f "$out" "$list"' EXIT

# go test -list prints the names of a package, then the package.
go test -list "^Fuzz.*${2:-}" "${1:-./...}" >"$list" || { cat "$list"; exit 1; }
found=0
for job in $(awk '/^Fuzz/ {n = n " " $1} /^ok/ {split(n, a); for (i in a) print $2 ":" a[i]; n = ""}' "$list"); do
	package=${job%:*} target=${job#*:} result=ok
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel "${FUZZPARALLEL:-1}" "$package" >"$out" 2>&1 || {
		result=stalled found=1
		go test -run "^$target\$" "$package" >/dev/null 2>&1 || result=FOUND
		grep -v '^fuzz: elapsed' "$out"
	}
	execs=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$out" | tail -1)
	echo "fuzz $package $target $time ${execs:-0} $result"
done
exit $found
