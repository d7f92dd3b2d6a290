#!/usr/bin/env bash
# A tour of the road: what nearside does when all is well, when a cloud API
# fails, and when there is no network. Two fake clouds stand in for real ones.
# Every act checks what it shows; the exit code is 0 only if all of it was true.
# NEARSIDE_BIN is the folder of the programs (default bin).
set -uo pipefail
cd "$(dirname "$0")/../.."
bin=${NEARSIDE_BIN:-bin}
[[ -x $bin/nearside && -x $bin/fakecloud ]] || { echo "demo: $bin has no programs; run make setup first" >&2; exit 1; }
PATH=$(realpath "$bin"):$PATH
dir=$(mktemp -d "${TMPDIR:-/tmp}/ns-demo.XXXXXX")
export NEARSIDE_CONFIG=$dir/nearside.yaml NEARSIDE_SOCKET=$dir/nearside.sock
declare -A api control pid

hard="What did Oxenstierna write to his son in 1648?"
unheard="Which bridges are closed in Basel today?"

main() {
	trap finish EXIT
	trap 'exit 1' INT TERM
	start_fake first
	start_fake second
	configure "${api[first]}" "${api[second]}"
	start_daemon

	act "An easy question: the model on the device answers."
	run ask "What is the capital of France?"
	expect 0 'Paris' 'local/.* local_first'

	act "A hard one: the model on the device is not sure of itself, so the first cloud API is asked."
	run ask "$hard"
	expect 0 'first answers' 'cloud/first · local_unsure'

	act "A kind of question that small models get wrong: policy asks the cloud first. 'explain' shows the plan and asks nobody."
	count=$(calls)
	run explain "Write a regular expression for IPv4 addresses"
	expect 0 'code is expected to be answered better' '1\. cloud .*cloud_first' '\. refuse'
	more_calls 0 "$count"
	run ask "Write a regular expression for IPv4 addresses"
	expect 0 'first answers' 'cloud/first · cloud_first'

	act "The first cloud API answers 503: the second one answers, and the caller does not notice."
	fault first '{"kind":"status","status":503}'
	run ask "Write a regular expression for phone numbers"
	expect 0 'second answers' 'cloud/second · failover'

	act "The first is well again, and the second, which leads now, hangs: it is waited for once, not each time."
	fault first '{"kind":"none"}'
	fault second '{"kind":"hang"}'
	count=$(calls second)
	run ask "Write a regular expression for dates"
	expect 0 'first answers' 'cloud/first · failover'
	more_calls 1 "$count" second
	run ask "Write a regular expression for prices"
	expect 0 'first answers' 'cloud/first'
	more_calls 1 "$count" second
	quick 2000

	act "A private question stays on the device, however poor the answer."
	count=$(calls)
	run ask --private "$hard"
	expect 0 'local/.* · private'
	more_calls 0 "$count"

	go_offline
	run ask "$hard"
	expect 0 'first answers' "stale · cloud/first · $stale_reason · [0-9]+ s old"

	act "Nothing is known: an honest refusal, at once."
	run ask --mode cloud "$unheard"
	expect 1 "$refusal"
	quick 500
	printf '\nAll of it was as promised.\n'
}

# go_offline starts the daemon again on the same state where there is no way
# out: in a network namespace without a link. Where the kernel does not permit
# one, both clouds refuse connections instead.
go_offline() {
	local alone
	for alone in "unshare -rn" "unshare -n"; do
		if $alone true 2>/dev/null; then
			act "No network at all, and a restart: what was answered before is served again, with its age."
			configure "https://api.first.example/v1" "https://api.second.example/v1"
			stop_daemon
			start_daemon $alone
			stale_reason=offline refusal='no network'
			return
		fi
	done
	act "Both clouds refuse connections, and a restart (a network namespace is not permitted here): what was answered before is served again, with its age."
	fault first '{"kind":"refused"}'
	fault second '{"kind":"refused"}'
	stop_daemon
	start_daemon
	stale_reason=stale_on_error refusal='failed|could answer'
}

# act TEXT: what comes next.
act() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }

# run ARGS...: shows a nearside command and what it prints.
run() {
	local word line='$ nearside'
	last=("$@")
	for word; do
		[[ $word == *' '* ]] && word="\"$word\""
		line+=" $word"
	done
	echo "$line"
	local begun=${EPOCHREALTIME/[.,]/}
	nearside "$@" 2>&1 | tee "$dir/output"
	code=${PIPESTATUS[0]}
	took_ms=$(((${EPOCHREALTIME/[.,]/} - begun) / 1000))
}

# expect CODE PATTERN...: the last command ended with CODE and printed each PATTERN.
expect() {
	((code == $1)) || fail "exit code $code, not $1"
	(($1 == 0)) || echo "exit code $code after $took_ms ms"
	shift
	local pattern
	for pattern; do
		grep -qE -- "$pattern" "$dir/output" || fail "nothing matches: $pattern"
	done
}

# more_calls MORE COUNT [NAME]: that many more than COUNT reached the cloud, or both.
more_calls() {
	local who=${3-the clouds} more=$(($(calls "${@:3}") - $2))
	((more == $1)) || fail "$more calls to $who, not $1"
	echo "(calls to $who in this act: $more)"
}

# quick MS: the last command took no longer; where the machine is busy, one of two
# more tries of it.
quick() {
	local try
	for try in 1 2; do
		((took_ms <= $1)) && return
		echo "(that took $took_ms ms: again)"
		run "${last[@]}"
	done
	((took_ms <= $1)) || fail "took $took_ms ms the third time, more than $1"
}

fail() {
	printf '\ndemo: not as promised: %s\n' "$1" >&2
	[[ -s $dir/log ]] && tail -n 20 "$dir/log" >&2
	exit 1
}

# start_fake NAME: a cloud API on ports of its own.
start_fake() {
	fakecloud --name "$1" --addr 127.0.0.1:0 --control 127.0.0.1:0 >"$dir/$1" 2>/dev/null &
	pid[$1]=$!
	wait_for grep -q control "$dir/$1"
	api[$1]=$(awk '$1 == "api" {print $2}' "$dir/$1")
	control[$1]=$(awk '$1 == "control" {split($2, part, "/"); print part[3]}' "$dir/$1")
}

# configure FIRST SECOND: base URLs of the cloud targets.
configure() {
	cat >"$NEARSIDE_CONFIG" <<-YAML
		listen: {socket: $NEARSIDE_SOCKET, http: ""}
		state: $dir/state
		cloud:
		  targets:
		    - {name: first, kind: openai, base_url: "$1", models: {chat: fake-model}}
		    - {name: second, kind: openai, base_url: "$2", models: {chat: fake-model}}
	YAML
}

# start_daemon [PREFIX...]: by a command that it runs under, if any.
start_daemon() {
	"$@" nearside serve >/dev/null 2>>"$dir/log" &
	pid[daemon]=$!
	wait_for nearside status
}

stop_daemon() {
	kill "${pid[daemon]}"
	wait "${pid[daemon]}" || fail "the daemon did not stop well"
	unset 'pid[daemon]'
}

# wait_for COMMAND...: until it succeeds, 10 s at most.
wait_for() {
	local end=$((SECONDS + 10))
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || fail "this did not come true: $*"
		sleep 0.02
	done
}

# fault NAME JSON: what the cloud does wrong from now on.
fault() { ask_control "$1" PUT fault "$2" | grep -q '^HTTP/1.1 200' || fail "cannot set a fault"; }

# calls [NAME]: chat calls that reached the cloud so far, or both.
calls() {
	(($#)) || set -- first second
	local name
	for name; do ask_control "$name" GET state; done | grep -o '"/v1/chat/completions":[0-9]*' | awk -F: '{sum += $2} END {print sum + 0}'
}

# ask_control NAME METHOD PATH [BODY]: one HTTP request, without curl.
ask_control() {
	local at=${control[$1]} body=${4-}
	exec 3<>"/dev/tcp/${at%:*}/${at##*:}" || fail "the fake cloud $1 is gone"
	printf '%s /_fake/%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' "$2" "$3" "$at" "${#body}" "$body" >&3
	cat <&3
	exec 3>&-
}

# finish leaves nothing behind.
finish() {
	((${#pid[@]})) && kill "${pid[@]}" 2>/dev/null
	wait
	rm -rf "$dir"
}

bold='' plain=''
[[ -t 1 ]] && bold=$'\e[1m' plain=$'\e[0m'
main
