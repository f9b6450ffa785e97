#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes an OpenWrt router know Latchkey's feed, and the key that signs it, for opkg or apk, whichever
# it has:
#
#	wget -O /tmp/feed.sh https://HOST/FOLDER/feed.sh && sh /tmp/feed.sh [ADDRESS]
#	sh /tmp/feed.sh remove
#
# ADDRESS is where the folder with this file is served. A second run replaces what the first one did.
# All of it is in files of its own, so that nothing of the owner's is changed.
set -eu

served='@ADDRESS@'
architectures='@ARCHITECTURES@'

opkg_feed=/etc/opkg/latchkey.conf
opkg_key=/etc/opkg/keys/@FINGERPRINT@
apk_feed=/etc/apk/repositories.d/latchkey.list
apk_key=/etc/apk/keys/latchkey.pem
keep=/lib/upgrade/keep.d/latchkey-feed # what sysupgrade keeps

# The public keys, one for each package manager.
opkg_public() {
	cat <<'END'
@OPKG_KEY@
END
}

apk_public() {
	cat <<'END'
@APK_KEY@
END
}

fail() {
	echo "feed: error: $1" >&2
	[ -z "${2-}" ] || echo "feed: hint: $2" >&2
	exit 1
}

# put FILE: writes standard input to a file.
put() {
	mkdir -p "${1%/*}"
	cat >"$1.new"
	mv "$1.new" "$1"
}

# architecture prints that of the router's packages.
architecture() {
	release=/etc/openwrt_release
	arch=$(sed -n "s/^DISTRIB_ARCH=['\"]*\([A-Za-z0-9_+-]*\).*/\1/p" "$release" 2>/dev/null) || true
	[ -n "$arch" ] || fail "$release does not tell the architecture" "this is for a router with OpenWrt"
	case " $architectures " in
	*" $arch "*) echo "$arch" ;;
	*) fail "there are no packages for $arch" "there are some for: $architectures" ;;
	esac
}

add() {
	address=${1:-$served}
	address=${address%/}
	case $address in
	'') fail "at which address is the feed?" "sh feed.sh https://HOST/FOLDER" ;;
	*[!A-Za-z0-9_.:/~%@+=-]*) fail "'$address' cannot be an address" ;;
	http://?* | https://?*) ;;
	*) fail "'$address' does not begin with https://" ;;
	esac
	arch=$(architecture)
	if command -v apk >/dev/null; then
		feed=$apk_feed key=$apk_key install='apk update && apk add luci-app-latchkey'
		apk_public | put "$key"
		echo "$address/apk/$arch/packages.adb" | put "$feed"
	elif command -v opkg >/dev/null; then
		feed=$opkg_feed key=$opkg_key install='opkg update && opkg install luci-app-latchkey'
		opkg_public | put "$key"
		echo "src/gz latchkey $address/opkg/$arch" | put "$feed"
	else
		fail "there is neither opkg nor apk" "this is for a router with OpenWrt"
	fi
	printf '%s\n' "$feed" "$key" "$keep" | put "$keep" # itself, too: the new system has no package that brings it
	sum=$(sha256sum "$key")
	echo "feed: $feed and the key $key are in place"
	echo "feed: the key has the fingerprint (SHA-256)"
	echo "        ${sum%% *}"
	echo "feed: if it is the one that the feed's makers tell, install with"
	echo "        $install"
}

case ${1-} in
remove)
	rm -f "$opkg_feed" "$opkg_key" "$apk_feed" "$apk_key" "$keep"
	echo "feed: removed"
	;;
*) add "$@" ;;
esac
