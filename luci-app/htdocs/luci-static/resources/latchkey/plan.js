// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.door as door';
'require latchkey.link as link';
'require latchkey.random as random';

// What first use writes into the configuration. Pure but for the dice.

const SLOT_PORTS = 24 * 256;
const FIRST_PORT = 10240; // browsers send to no "bad port" from here on
const LAST_PORT = 60999;

// The options of section 'main' that have to be set so that knocks can arrive. Ports that are there stay.
function main(existing) {
	const out = { enabled: '1' };
	const have = existing || {};

	if (![].concat(have.interface || []).length)
		out.interface = [ 'wan', 'wan6' ];
	if (!have.ports)
		out.ports = span(FIRST_PORT + random.below(LAST_PORT - SLOT_PORTS - FIRST_PORT));
	if (!have.stun_port)
		out.stun_port = stunPort(door.portRange(have.ports || out.ports));

	return out;
}

function span(first) {
	return first + '-' + (first + SLOT_PORTS - 1);
}

function stunPort(taken) {
	let port;

	do
		port = FIRST_PORT + random.below(LAST_PORT - FIRST_PORT);
	while (port >= taken[0] && port <= taken[1]);

	return String(port);
}

// A door's section from the answers. a: { host: { name, ip4, ip6 } or null for the router, service,
// proto, port, outside, openFor, title }
function doorSection(a, taken) {
	const name = door.sectionName(a.host ? [ a.host.name || 'host', a.service ] : [ 'router', a.service ], taken);
	const out = { '.name': name, title: a.title, src: 'wan', proto: a.proto, port: a.outside, open_for: a.openFor, enabled: '1' };

	if (a.host) {
		out.dest = 'lan';
		out.dest_port = a.port;
		if (a.host.ip4)
			out.dest_ip = a.host.ip4;
		if (a.host.ip6)
			out.dest_ip6 = a.host.ip6;
	}

	return out;
}

function clientSection(title, doors, taken) {
	return { '.name': door.sectionName([ title ], taken), title: title, kind: 'latchkey', key: link.makeKey(), door: doors, enabled: '1' };
}

// Hosts of the LAN from LuCI's hints: [{ name, ip4, ip6, mac }], those with a name first.
function hosts(hints) {
	return Object.keys(hints || {}).map(function(mac) {
		const h = hints[mac];
		const ip4 = [].concat(h.ipaddrs || h.ipv4 || [])[0];

		return { mac: mac, name: String(h.name || '').replace(/\..*$/, ''), ip4: ip4, ip6: null };
	}).filter(function(h) {
		return h.ip4;
	}).sort(function(a, b) {
		return (a.name == '') - (b.name == '') || a.name.localeCompare(b.name) || a.ip4.localeCompare(b.ip4, undefined, { numeric: true });
	});
}

// How a device finds the router: { host, addresses, reachable } from the addresses that face the
// Internet and a dynamic DNS name.
function whereabouts(addresses, ddnsName) {
	const open = addresses.filter(link.isPublic);

	return { host: ddnsName || '', addresses: open, reachable: ddnsName != null && ddnsName != '' || open.length > 0 };
}

return baseclass.extend({
	main: main,
	doorSection: doorSection,
	clientSection: clientSection,
	hosts: hosts,
	whereabouts: whereabouts
});
