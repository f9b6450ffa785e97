#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What the feed's CI runs with the package installed: $1 is the package, $2 the version.

case "$1" in
latchkey)
	latchkeyd version | grep "latchkeyd $2" || exit 1
	latchkeyd check /etc/config/latchkey
	;;
esac
