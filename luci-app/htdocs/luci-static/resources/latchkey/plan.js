// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.door as door';
'require latchkey.link as link';
'require latchkey.ports as ports';
'require latchkey.random as random';
'require latchkey.reach as reach';
'require latchkey.rules as rules';
'require latchkey.syntax as syntax';

// What first use writes into the configuration. Pure but for the dice.

// The options of section 'main' that have to be set so that knocks can arrive. Ports that are there stay,
// and who has one kind only wants the other off.
// unknown are the interfaces that it names and the router does not have: if there is no other, the
// firewall's zone wan decides, as for who names none. null takes an option away. zones are where knocks come in,
// around what ports can collide with, see api.around. UDP 443 is a second port, if nothing else has it: networks that
// let little through often let that through.
function main(existing, unknown, zones, around) {
	const out = { enabled: '1' };
	const have = existing || {};
	const named = syntax.words(have.interface);

	if (named.length && named.every(function(n) { return (unknown || []).indexOf(n) >= 0; }))
		out.interface = null;
	if (!have.ports && !have.stun_port) {
		const slots = draw(rules.SPAN, ports.occupied('tcp', zones, around));
		const udp = ports.occupied('udp', zones, around).concat(syntax.words(have.spa_port).map(door.portRange).filter(Boolean));
		const high = String(draw(1, udp.concat([ slots ]))[0]);

		out.ports = slots.join('-');
		out.stun_port = ports.isFree([ rules.WEB, rules.WEB ], udp) ? [ high, String(rules.WEB) ] : [ high ];
	}

	return out;
}

// The first and the last of so many ports that are free, from random ones on, or these if none are.
function draw(count, occupied) {
	const places = rules.DRAWN[1] - rules.DRAWN[0] - count + 2;
	const drawn = random.below(places);

	for (let i = 0; i <= places; i++) {
		const first = rules.DRAWN[0] + (drawn + i) % places;
		const range = [ first, first + count - 1 ];

		if (i == places || ports.isFree(range, occupied))
			return range;
	}
}

// A door's section from the answers. a: { host: { name, ip4, ip6, zone } or null for the router, service,
// proto, port, outside, openFor, title }; zone is where the Internet is.
function doorSection(a, taken, zone) {
	const name = door.sectionName(a.host ? [ a.host.name || 'host', a.service ] : [ 'router', a.service ], taken);
	const out = { '.name': name, title: a.title, src: zone || 'wan', proto: a.proto, port: a.outside, open_for: a.openFor, enabled: '1' };

	if (a.host) {
		out.dest = a.host.zone || 'lan';
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

function number(address) {
	return String(address).split('.').reduce(function(n, octet) { return n * 256 + (+octet); }, 0);
}

function isIn(address, subnet) {
	const size = Math.pow(2, 32 - subnet.mask);

	return Math.floor(number(address) / size) == Math.floor(number(subnet.address) / size);
}

function innerZone(firewall, network) {
	const zone = firewall.find(function(z) {
		return z['.type'] == 'zone' && syntax.isOn(z.enabled, true) && syntax.words(z.network).indexOf(network) >= 0;
	});

	return (zone && !syntax.isOn(zone.masq, false)) ? zone.name : '';
}

// The networks inside, where a door may lead: [{ address, mask, zone }]. dump are the interfaces of ubus,
// outward the networks where knocks come in. Zones that masquerade are outside, too: the networks behind them are
// not this router's.
function inside(dump, outward, firewall) {
	const outside = reach.interfacesOf(dump, outward);

	return dump.filter(function(i) { return i.interface != 'loopback' && outside.indexOf(i) < 0; }).reduce(function(all, i) {
		return all.concat((i['ipv4-address'] || []).map(function(a) {
			return { address: a.address, mask: a.mask, zone: innerZone(firewall, i.interface) };
		}));
	}, []).filter(function(s) { return s.zone != '' && s.mask < 32; });
}

// What is no host behind this router: its own addresses, and the gateways.
function notHosts(dump) {
	return dump.reduce(function(all, i) {
		return all.concat(reach.addressesOf(i), (i.route || []).filter(function(r) { return r.mask == 0; }).map(function(r) { return r.nexthop; }));
	}, []);
}

// Hosts of the LAN from LuCI's hints: [{ name, ip4, ip6, mac, zone }], those with a name first. subnets as
// inside() has them; others are addresses of no host.
function hosts(hints, subnets, others) {
	return Object.keys(hints || {}).map(function(mac) {
		const h = hints[mac];
		const ip4 = [].concat(h.ipaddrs || h.ipv4 || []).find(function(a) {
			return subnets.some(function(s) { return isIn(a, s); });
		});
		const own = [].concat(h.ipaddrs || h.ipv4 || [], h.ip6addrs || h.ipv6 || []).some(function(a) { return others.indexOf(a) >= 0; });

		return { mac: mac, name: String(h.name || '').replace(/\..*$/, ''), ip4: own ? null : ip4, ip6: null,
			zone: ip4 ? subnets.find(function(s) { return isIn(ip4, s); }).zone : '' };
	}).filter(function(h) {
		return h.ip4;
	}).sort(function(a, b) {
		return (a.name == '') - (b.name == '') || a.name.localeCompare(b.name) || a.ip4.localeCompare(b.ip4, undefined, { numeric: true });
	});
}

return baseclass.extend({
	main: main,
	doorSection: doorSection,
	clientSection: clientSection,
	inside: inside,
	notHosts: notHosts,
	hosts: hosts
});
