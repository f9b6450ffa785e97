# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
#
# What an init script finds on OpenWrt, for tests: functions of the same names that record in $RECORD
# what they are called for, one call a line, arguments with tabs between. Sourced before the script.

record() {
	local IFS='	'
	printf '%s\n' "$*" >>"$RECORD"
}

# Configuration. Our stand-in for uci has one more command, which prints assignments: sections="...", type_S=..., option_S_O=...

config_load() {
	local out
	sections=
	out=$(uci assignments "/etc/config/$1") || return 1
	eval "$out"
}

config_get() {
	eval "$1=\"\${option_$2_$3:-\$4}\""
}

config_get_bool() {
	config_get "$@"
	eval "case \$$1 in 1 | on | true | yes | enabled) $1=1 ;; *) $1=0 ;; esac"
}

config_foreach() {
	local section
	for section in $sections; do
		eval "[ \"\$type_$section\" = '$2' ]" || continue
		"$1" "$section"
	done
}

# Everything that ends in the one message to procd.

for function in json_add_object json_close_object json_add_array json_close_array json_add_string \
	procd_open_service procd_close_service procd_open_instance procd_close_instance procd_set_param \
	procd_add_jail procd_add_jail_mount procd_add_jail_mount_rw procd_open_data procd_close_data \
	procd_set_config_changed procd_add_reload_trigger procd_add_reload_interface_trigger \
	procd_open_trigger procd_add_config_trigger procd_close_trigger; do
	eval "$function() { record $function \"\$@\"; }"
done

# It is done, too, if the test gives the daemon's user a number.
chown() {
	record chown "$@"
	[ -n "$DAEMON_UID" ] || return 0
	# shellcheck disable=SC2046
	busybox chown $(printf '%s\n' "$@" | sed "s/^latchkey:latchkey\$/$DAEMON_UID:$DAEMON_UID/; s/^root:latchkey\$/0:$DAEMON_UID/")
}

# The rest of the system. RUNNING, USER_EXISTS, DAEMON_UID, INTERFACES and DEVICE_<interface> are
# set by the test.

service_running() { [ -n "$RUNNING" ]; }
user_exists() { [ -n "$USER_EXISTS" ]; }
logger() { record logger "$@"; case " $* " in *" -s "*) cat ;; esac; }

network_get_device() {
	eval "$1=\"\$DEVICE_$2\"; [ -n \"\$DEVICE_$2\" ]"
}

# A network is there, be it up or down, if $INTERFACES names it, or it has a device.
ubus() {
	local name
	for name in $INTERFACES $(env | sed -n 's/^DEVICE_\([^=]*\)=..*/\1/p'); do echo "network.interface.$name"; done | sort -u
}

# rc.common with USE_PROCD.

start() {
	procd_open_service latchkey
	start_service "$@"
	service_triggers
	procd_close_service set
	service_started
}

stop() { service_stopped; }
reload() { reload_service; }
