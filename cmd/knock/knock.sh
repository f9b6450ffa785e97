#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes a message with nothing but a POSIX shell and openssl, and prints it in base64 (for carrier
# stun) and in hex (for carrier ports). No secret is in the arguments of any program.
#
#   KEY=<the key in base64> [STAMPS=FILE] sh knock.sh DOOR [MINUTES]
#
# No stamp may be used twice: without STAMPS, knock at most once a second and never set the clock back.
# In the file STAMPS it remembers those it used. If the clock was ahead and has been set, it prints more
# than one message: send them all, a second apart. See "Once" in SPEC.md.
set -eu

hex() { od -An -v -tx1 | tr -d ' \n'; }
sha256() { openssl dgst -sha256 -binary; }

# bytes HEX [N]: the bytes, each XOR N.
bytes() {
	rest=$1 text=
	while [ -n "$rest" ]; do
		tail=${rest#??}
		b=$((0x${rest%"$tail"} ^ ${2:-0}))
		text="$text\\0$((b / 64))$((b / 8 % 8))$((b % 8))" rest=$tail
	done
	printf %b "$text"
}

# hmac KEY HEX: HMAC-SHA256 (RFC 2104) under a key of 32 bytes, all in hex.
hmac() {
	block=$1$(printf %064d 0)
	{ bytes "$block" 0x5c; { bytes "$block" 0x36; bytes "$2"; } | sha256; } | sha256 | hex
}

key=$(printf '%s=' "${KEY%=}" | tr '_-' '/+' | openssl base64 -d -A | hex)
derived() { hmac "$key" "$(printf 'latchkey1 %s' "$1" | hex)"; }

# free TIME: the first stamp from TIME on that is more than 100 away from every one that was used.
free() {
	t=$1
	for u in $used; do
		if [ "$u" -le $((t + 100)) ] && [ "$t" -le $((u + 100)) ]; then t=$((u + 101)); fi
	done
	echo "$t"
}

# stamps TIME: those to knock with at that time.
stamps() {
	top=$1 near=0
	for u in $used; do
		if [ "$u" -ge $((top - 100)) ]; then top=$((u + 101)); fi
		if [ "$u" -gt "$1" ] && [ "$u" -lt $(($1 + 180000)) ]; then near=$u; fi
	done
	if [ "$top" -gt $(($1 + 1000)) ]; then
		free "$1"
		[ "$near" = 0 ] || free "$near"
	fi
	echo "$top"
}

# message STAMP DOOR MINUTES: the message, in base64 and in hex.
message() {
	tag=$(printf 'latchkey door\0%s' "$2" | sha256 | hex | cut -c 1-4)
	body=$(printf '%012x%s00%02x' "$1" "$tag" "$3")
	hint=$(hmac "$(derived hint)" "$(printf %016x $(($1 / 60000)))" | cut -c 1-6)
	tag=$(hmac "$(derived tag)" "$hint$body" | cut -c 1-22)
	pad=$(hmac "$(derived box)" "$tag")
	message=$hint$tag
	while [ -n "$body" ]; do
		message=$message$(printf %02x $((0x${body%"${body#??}"} ^ 0x${pad%"${pad#??}"})))
		body=${body#??} pad=${pad#??}
	done
	bytes "$message" | openssl base64
	printf '%s\n' "$message"
}

used=''
if [ -s "${STAMPS-}" ]; then used=$(cat "$STAMPS"); fi
list=$(stamps "${NOW:-$(date +%s)000}" | sort -n -u) # in ms
if [ -n "${STAMPS-}" ]; then
	printf '%s\n' "$used" "$list" | sort -n -u | sed '/^$/d' | tail -n 200 >"$STAMPS.new"
	mv "$STAMPS.new" "$STAMPS"
fi
for stamp in $list; do message "$stamp" "$1" "${2:-0}"; done
