// SPDX-License-Identifier: Apache-2.0
//
// Collector "latchkey" of prometheus-node-exporter-ucode, which gives it ubus, gauge and counter.
// metrics.lua is the same for the other exporter.
//
// Labels are names of the configuration and words of Latchkey's own, so there is a bounded number of them;
// addresses, which strangers choose, are none. Counters begin anew with the daemon, as Prometheus expects.

const s = ubus.call("latchkey", "status");

if (!s)
	return false;

// seconds returns a time of RFC 3339 in seconds since 1970 UTC.
function seconds(time) {
	const m = match(time, /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)[.0-9]*(.*)$/);

	if (!m)
		return 0;

	const zone = match(m[7], /^([+-])(\d+):(\d+)$/);
	const east = zone ? (zone[1] == "-" ? -1 : 1) * (zone[2] * 3600 + zone[3] * 60) : 0;

	return timegm({ year: +m[1], mon: +m[2], mday: +m[3], hour: +m[4], min: +m[5], sec: +m[6] }) - east;
}

gauge("latchkey_up", "Whether latchkeyd runs and answers.")(null, !!s.running);
if (!s.running)
	return true;

gauge("latchkey_info", "The version of latchkeyd.")({ version: s.version }, 1);
gauge("latchkey_start_time_seconds", "When latchkeyd was started.")(null, seconds(s.since));
gauge("latchkey_resident_memory_bytes", "Memory that latchkeyd takes up.")(null, s.memory);
gauge("latchkey_clock_synchronised", "Whether the clock is known to be right.")(null, s.clock == "synchronised");
counter("latchkey_packets_total", "Packets that passed the filter in the kernel.")(null, s.packets);

const up = gauge("latchkey_device_up", "Whether knocks can come in at the network device.");
for (let d in s.devices)
	up({ device: d.name }, d.state == "up");
const coarse = gauge("latchkey_device_filter_coarse", "Whether the kernel has no room for the whole filter.");
for (let d in s.devices)
	coarse({ device: d.name }, !!d.coarse);
const dropped = counter("latchkey_device_dropped_packets_total", "Packets that came faster than they were read.");
for (let d in s.devices)
	dropped({ device: d.name }, d.dropped ?? 0);

const ready = gauge("latchkey_door_ready", "Whether the firewall can open the door.");
for (let d in s.doors)
	ready({ door: d.name }, d.state == "ready");
const grants = gauge("latchkey_grants", "Addresses that the door is open to.");
for (let d in s.doors)
	grants({ door: d.name }, length(d.grants) + (d.more ?? 0));
const last = gauge("latchkey_client_last_knock_timestamp_seconds", "When a knock of the client was accepted last.");
for (let c in s.clients)
	if (c.last)
		last({ client: c.name }, seconds(c.last));

const events = counter("latchkey_events_total", "Events by kind, door and reason.");
for (let c in s.counts)
	events({ kind: c.kind, door: c.door ?? "", reason: c.reason ?? "" }, c.count);
