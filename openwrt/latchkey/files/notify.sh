#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC1090,SC1091,SC2153,SC2317
#
# Tells others of an event, as /etc/config/latchkey-notify says: all at once, each for 10 s at the most, so that
# one who does not answer holds up no script for the next event for longer. latchkeyd hooks runs it.
#
# A file of the folder notify is sourced for each section that is switched on, with its name in $section, and
# finds here what it needs. What is secret is in no argument, where every process can read it, if it can be helped.

SCRIPTS=/usr/share/latchkey/notify
STATE=/var/run/latchkey-notify # of root alone
RUN=$STATE/$$                  # of this event alone: another one, of doors or of others, may be told at the same time

. /lib/functions.sh

# json prints a text as JSON takes it between quotes.
json() {
	printf '%s' "$1" | tr -d '\000-\037' | sed 's/[\\"]/\\&/g'
}

# post sends the file $RUN/$section.json to a URL, with one more header, and ends. Only curl can be told of both without
# an argument; OpenWrt has uclient-fetch as wget.
post() {
	if command -v curl >/dev/null; then
		exec curl -q -g -sS -f -m 10 -o /dev/null -K - <<-EOF
			url = "$(json "$1")"
			header = "Content-Type: application/json"
			header = "$(json "$2")"
			data-binary = "@$RUN/$section.json"
		EOF
	else
		exec wget -q -T 10 -O /dev/null --header='Content-Type: application/json' ${2:+"--header=$2"} --post-file="$RUN/$section.json" "$1"
	fi
}

# too_often tells whether strangers brought about another such event within a minute.
too_often() {
	local now last=0
	[ "$ACTION" = refused ] || return 1
	now=$(date +%s)
	[ ! -f "$STATE/refused" ] || read -r last <"$STATE/refused"
	[ "$now" -lt "$last" ] || [ "$now" -ge $((last + 60)) ] || return 0
	echo "$now" >"$STATE/refused"
	return 1
}

# begin sources what tells a section's receiver, in the background.
begin() {
	local section=$1 enabled event via
	config_get_bool enabled "$section" enabled 0
	config_get event "$section" event
	case "$enabled: $event " in "1:"*" $ACTION "*) ;; *) return 0 ;; esac
	config_get via "$section" via "$section"
	if [ ! -f "$SCRIPTS/$via" ]; then
		echo "latchkey-notify: $section: there is no $SCRIPTS/$via"
		return 0
	fi
	printf '%s' "$EVENT" >"$RUN/$section.json"
	(. "$SCRIPTS/$via") >/dev/null &
	jobs="$jobs $!:$section"
}

# watch ends what takes too long.
watch() {
	local job
	trap 'kill $!; exit' TERM
	sleep 10 >/dev/null 2>&1 & # should its end be lost, nobody waits for what it could say
	wait $!
	for job in $jobs; do kill "${job%:*}" 2>/dev/null; done
}

umask 077
mkdir -p "$RUN"
jobs=
config_load latchkey-notify
too_often || config_foreach begin notify
[ -n "$jobs" ] || { rmdir "$RUN"; exit 0; }
watch &
watcher=$!
for job in $jobs; do
	wait "${job%:*}" || echo "latchkey-notify: ${job#*:} was not told of $ACTION $DOOR: exit code $?"
done
kill $watcher 2>/dev/null
rm -rf "$RUN"
exit 0
