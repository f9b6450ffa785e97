#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes a message with nothing but a POSIX shell and openssl, and prints it in base64 (for carrier
# stun) and in hex (for carrier ports). No secret is in the arguments of any program.
#
#   KEY=<the key in base64> sh knock.sh DOOR [MINUTES]
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

time=${NOW:-$(date +%s)000} # in ms; knock at most once a second, no time may be used twice
tag=$(printf 'latchkey door\0%s' "$1" | sha256 | hex | cut -c 1-4)
body=$(printf '%012x%s00%02x' "$time" "$tag" "${2:-0}")

hint=$(hmac "$(derived hint)" "$(printf %016x $((time / 60000)))" | cut -c 1-6)
tag=$(hmac "$(derived tag)" "$hint$body" | cut -c 1-22)
pad=$(hmac "$(derived box)" "$tag")
message=$hint$tag
while [ -n "$body" ]; do
	message=$message$(printf %02x $((0x${body%"${body#??}"} ^ 0x${pad%"${pad#??}"})))
	body=${body#??} pad=${pad#??}
done
bytes "$message" | openssl base64
printf '%s\n' "$message"
