// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load, parsed, table, without } from '../lib/modules.mjs';

const require = load();
const reach = require('latchkey.reach');
const ports = require('latchkey.ports');

test('who can reach an address', () => {
	for (const [ kind, ...addresses ] of [
		[ 'private', '10.0.0.1', '172.16.0.1', '172.31.9.9', '192.168.1.1', 'fd00::1', 'FC00::1', 'fec0::1', 'FEFF::1' ],
		[ 'carrier', '100.64.0.1', '100.127.1.1', '192.0.0.2' ],
		[ 'nobody', '169.254.1.1', '127.0.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', 'fe80::1', 'FEBF::1', '::1', '::', 'ff02::1' ],
		[ 'public', '203.0.113.7', '172.32.0.1', '172.15.0.1', '100.128.0.1', '100.63.0.1', '192.0.1.1', '192.169.0.1', '2001:db8::1', '9.9.9.9' ] ])
		for (const a of addresses)
			assert.equal(reach.kind(a), kind, a);
});

// Zones of outside.tsv: "zone NAME: NETWORK... [masq] [off]; ...". The networks of every second one are in an option, the
// others' in a list.
function zones(text) {
	return text.split('; ').filter(Boolean).map((part, i) => {
		const [ , name, rest ] = part.match(/^zone ([^:]*):(.*)$/), all = rest.split(' ').filter(Boolean);
		const network = all.filter(w => w != 'masq' && w != 'off');

		return { '.type': 'zone', name, network: (i % 2) ? network : network.join(' '), masq: all.includes('masq') ? '1' : undefined,
			enabled: all.includes('off') ? '0' : undefined };
	});
}

// The daemon has the same rule, and its tests read the same table.
test('the firewall’s zone wan decides where knocks come in, unless interfaces are named', { skip: without(table('uplink/outside.tsv')) }, () => {
	for (const [ what, named, networks, facing, firewall ] of table('uplink/outside.tsv')) {
		const got = reach.outside([ { '.type': 'defaults' } ].concat(zones(firewall)), named.split(' ').filter(Boolean));

		assert.deepEqual([ got.networks.join(' '), got.zones.join(' ') ], [ networks, facing ], what);
		assert.ok(got.zones.includes(got.zone), what);
	}
});

test('a new door is for the zone wan, or one that masquerades, if knocks come in from several', () => {
	const of = text => reach.outside(zones(text), [ 'a', 'b' ]).zone;

	assert.deepEqual([ of('zone lan: a; zone wan: b'), of('zone lan: a; zone dsl: b masq'), of('zone x: a; zone y: b') ], [ 'wan', 'dsl', 'x' ]);
});

const DUMP = [
	{ interface: 'wan', l3_device: 'pppoe-wan', device: 'eth1', 'ipv4-address': [ { address: '203.0.113.1' } ] },
	{ interface: 'wan_6', l3_device: 'pppoe-wan', 'ipv6-address': [ { address: '2001:db8::1' }, { address: 'fe80::1' } ] },
	{ interface: 'lan', l3_device: 'br-lan', 'ipv4-address': [ { address: '192.168.1.1' } ], 'ipv6-prefix-assignment': [ { 'local-address': { address: '2001:db8:1::1' } }, {} ] },
	{ interface: 'down' }
];
const iface = (name, proto) => ({ '.type': 'interface', '.name': name, proto });

test('interfaces that nobody knows are told', () => {
	assert.deepEqual(reach.unknown([ 'wan', 'gone', 'wan_6', 'pppoe-wan', 'eth1', 'late' ], [ iface('late', 'dhcp'), { '.type': 'device', '.name': 'gone' } ], DUMP), [ 'gone' ]);
});

test('the name of dynamic DNS is the one that the router puts into links', { skip: without(table('uplink/ddns.tsv')) }, () => {
	for (const [ what, name, ddns ] of table('uplink/ddns.tsv'))
		assert.equal(reach.ddnsName(parsed(ddns)), name, what);
});

// Interfaces of facing.tsv: "NAME [DEVICE]: ADDRESS...; ...".
function interfaces(text) {
	return text.split('; ').map(part => {
		const [ , name, device, rest ] = part.match(/^(\S+?)(?: (\S+))?: (.*)$/);
		const of = six => rest.split(' ').filter(a => a && a.includes(':') == six).map(address => ({ address }));

		return { interface: name, l3_device: device, 'ipv4-address': of(false), 'ipv6-address': of(true) };
	});
}

test('the addresses outside are those that the router puts into links', { skip: without(table('uplink/facing.tsv')) }, () => {
	for (const [ what, networks, addresses, known ] of table('uplink/facing.tsv'))
		assert.equal(reach.facing(interfaces(known), networks.split(' '), []).map(a => a.address).join(' '), addresses, what);
});

test('the addresses outside are those of all networks on the device', () => {
	assert.deepEqual(reach.facing(DUMP, [ 'wan' ], [ iface('wan', 'static') ]), [ { address: '203.0.113.1', kind: 'public', isFixed: true }, { address: '2001:db8::1', kind: 'public', isFixed: false } ]);
	assert.deepEqual(reach.facing(DUMP, [ 'gone' ], []), []);
	assert.deepEqual(reach.facing([], [ 'wan' ], []), []);
});

test('the router’s situation, by its addresses', () => {
	const of = (...addresses) => {
		const s = reach.situation(addresses.map(address => ({ address, kind: reach.kind(address) })));

		return [ s.id, s.address, s.six ];
	};

	assert.deepEqual(of('203.0.113.1'), [ 'open', '203.0.113.1', false ]);
	assert.deepEqual(of('192.168.0.2', '203.0.113.1', '2001:db8::1'), [ 'open', '203.0.113.1', true ]);
	assert.deepEqual(of('192.168.0.2', 'fd00::1'), [ 'behind', '192.168.0.2', false ]);
	assert.deepEqual(of('100.64.3.4'), [ 'carrier', '100.64.3.4', false ]);
	assert.deepEqual(of('192.0.0.2', '2001:db8::1'), [ 'carrier', '192.0.0.2', true ]);
	assert.deepEqual(of('2001:db8::1'), [ 'six', '', true ]);
	assert.deepEqual(of(), [ 'offline', '', false ]);
	for (const id of [ 'open', 'behind', 'carrier', 'six', 'offline' ])
		assert.ok(reach.describe({ id, address: 'x', six: true }).text);
	assert.match(reach.describe({ id: 'carrier', address: 'x', six: false }).todo, /public IPv4/);
	assert.match(reach.describe({ id: 'carrier', address: 'x', six: true }).todo, /IPv6 reaches/);
});

test('a typed name takes the place of the old one, an address of everything', () => {
	const both = [ '203.0.113.7', 'home.example', '2001:db8::1' ];

	assert.deepEqual([ reach.publicName(both), reach.publicName([ '203.0.113.7' ]), reach.publicName([]) ], [ 'home.example', '203.0.113.7', '' ]);
	for (const [ hosts, typed, after ] of [ [ both, 'home.example', both ], [ both, 'new.example', [ 'new.example', '203.0.113.7', '2001:db8::1' ] ], [ both, '', [ '203.0.113.7', '2001:db8::1' ] ],
		[ both, '198.51.100.1', [ '198.51.100.1' ] ], [ [], 'a.example', [ 'a.example' ] ], [ [ '203.0.113.7' ], '', [] ], [ [], '', [] ] ])
		assert.deepEqual(reach.withName(hosts, typed), after, typed);
});

test('whether a name leads here', () => {
	const open = { id: 'open', address: '203.0.113.1' }, behind = { id: 'behind', address: '192.168.0.2' }, carrier = { id: 'carrier', address: '100.64.0.9' };
	const own = [ '203.0.113.1', '2001:db8::1', '192.168.0.2', '100.64.0.9', '192.168.1.1' ];
	const judge = (s, ...addresses) => reach.judge('h.example', { addresses }, s, own);

	for (const [ level, words, said ] of [
		[ 'good', /leads to this router: 203\.0\.113\.1 and 2001:db8::1\./, judge(open, '203.0.113.1', '2001:db8::1') ],
		[ 'bad', /knows no address of h\.example/, judge(open) ],
		[ 'bad', /leads to 198\.51\.100\.5, but this router has 203\.0\.113\.1\./, judge(open, '198.51.100.5') ],
		[ 'bad', /leads to 2001:db8::9, which is not this router/, judge({ id: 'six', address: '' }, '2001:db8::9') ],
		[ 'warn', /also to 2001:db8::9, which is not/, judge(open, '203.0.113.1', '2001:db8::9') ],
		[ 'warn', /At home, h\.example leads to 192\.168\.1\.9/, judge(open, '192.168.1.9') ],
		[ 'good', /leads to 198\.51\.100\.5\. That has to be the router in front/, judge(behind, '198.51.100.5') ],
		[ 'bad', /which the Internet cannot reach/, judge(carrier, '100.64.0.9') ],
		[ 'bad', /leads to 198\.51\.100\.5, but this router has 100\.64\.0\.9/, judge(carrier, '198.51.100.5') ],
		[ 'warn', /was not checked/, reach.judge('h.example', { error: 'no name server' }, open, own) ] ]) {
		assert.match(said.text, words);
		assert.equal(said.level, level, said.text);
	}
});

const doors = [ { '.name': 'nas', title: 'NAS', proto: 'tcp udp', port: '2222' }, { '.name': 'off', port: '9', enabled: '0' }, { '.name': 'bare' } ];
const sequences = [ { '.name': 'home', step: [ '7000/tcp', '8000/udp', '7000/tcp', 'icmp:9' ] }, { '.name': 'lists', once: [ '1/tcp 5/tcp' ] }, { '.name': 'off', step: '3/tcp', enabled: '0' } ];

test('a router in front is to forward every port of knocks and doors, and no other', () => {
	const rows = reach.forwards({ main: { stun_port: '41641', ports: '20480-26623', spa_port: '62201' }, doors, sequences, ordered: [ { ports: '500-600,700:854', header: '1 2', footer: [ '3' ] } ] });

	assert.deepEqual(rows.map(r => [ r.proto, r.ports, r.what ].join(' ')), [ 'UDP 41641 knocks', 'TCP 20480-26623 knocks', 'TCP 500-600, 700-854, 1, 2, 3 knocks', 'UDP 62201 knocks of fwknop',
		'TCP 7000 the sequence home', 'UDP 8000 the sequence home', 'TCP 1, 5 the sequence lists', 'TCP/UDP 2222 the door NAS', 'TCP ? the door bare' ]);
	assert.deepEqual(reach.forwards({ main: { stun_port: [ '41641', '443' ] }, doors: [], sequences: [], ordered: [] }).map(r => r.ports), [ '41641, 443' ]);
	assert.deepEqual(reach.forwards({ main: { stun_port: '0', spa_port: '0' }, doors: [], sequences: [], ordered: [] }), []);
});

test('what the ports of knocks collide with', () => {
	const around = { doors: doors.concat({ '.name': 'in', title: 'Inside', proto: 'tcp', port: '20500' }), sequences,
		firewall: [ { '.type': 'redirect', '.name': 'r', name: 'Games', src: 'wan', proto: 'udp', src_dport: '41000-42000' }, { '.type': 'redirect', '.name': 's', name: 'Other', src: 'guest', src_dport: '41641' },
			{ '.type': 'redirect', '.name': 't', name: 'Off', enabled: '0', src: 'wan', src_dport: '41641' }, { '.type': 'redirect', '.name': 'u', name: 'Both', src: 'wan', src_dport: '26000' } ],
		listeners: [ { name: 'WireGuard', proto: 'udp', port: 41641 }, { name: 'SSH', proto: 'tcp', port: 22 } ] };
	const of = (option, main) => ports.conflicts(option, main, [ 'wan' ], around);

	assert.deepEqual(of('stun_port', { stun_port: '41641', spa_port: '41641' }), [ 'Both kinds of UDP knocks have this port.', 'Port forward “Games” takes what arrives there, too.', 'WireGuard of the router listens there.' ]);
	assert.deepEqual(of('stun_port', { stun_port: '8000' }), [ 'Browsers refuse some ports below 10081, so the knock page would fail there.', 'Sequence “home” knocks there.' ]);
	assert.deepEqual(of('spa_port', { spa_port: '2222' }), [ 'Door “NAS” uses this port already.' ]);
	assert.deepEqual(of('ports', { ports: '20480-26623' }), [ 'Door “Inside” uses a port of these.', 'Port forward “Both” takes what arrives there, too.' ]);
	assert.deepEqual(of('ports', { ports: '1-6144' }), [ 'Browsers refuse some ports below 10081, so the knock page would fail there.', 'Door “NAS” uses a port of these.',
		'SSH of the router listens there.', 'Sequence “lists” knocks there.' ]);
	assert.deepEqual(of('stun_port', { stun_port: [ '50000', '443', '8000', '41641' ], spa_port: '443' }), [ '443: Both kinds of UDP knocks have this port.',
		'8000: Browsers refuse some ports below 10081, so the knock page would fail there.', '8000: Sequence “home” knocks there.',
		'41641: Port forward “Games” takes what arrives there, too.', '41641: WireGuard of the router listens there.' ]);
	assert.deepEqual(of('spa_port', { stun_port: [ '50000', '50001' ], spa_port: '50001' }), [ 'Both kinds of UDP knocks have this port.' ]);
	for (const empty of [ {}, { stun_port: '' }, { stun_port: '0' } ])
		assert.deepEqual(of('stun_port', empty), []);
	assert.deepEqual(of('stun_port', { stun_port: '50000', spa_port: '50001' }), []);
});

test('ordered ports and the ports in slots are not the same', () => {
	const of = (option, main) => ports.conflicts(option, main, [ 'wan' ], { doors: [], sequences: [], listeners: [], firewall: [], ordered: [ { ports: '500-600,20000-20500', header: [ '443' ] } ] });

	assert.deepEqual(of('ports', { ports: '20480-26623' }), [ 'Knocks by ports in order arrive there.' ]);
	assert.deepEqual([ of('ports', { ports: '20501-26644' }), of('stun_port', { stun_port: '443 20000' }) ], [ [], [] ]);
});

test('a service of the router that everybody may use takes what knocks there, too', () => {
	const rule = { '.type': 'rule', '.name': 'r', name: 'QUIC', src: 'wan', proto: 'udp', dest_port: '443', target: 'ACCEPT' };
	const of = (...rules) => ports.conflicts('stun_port', { stun_port: '443' }, [ 'wan' ], { doors: [], sequences: [], listeners: [], firewall: rules });

	assert.deepEqual(of(rule), [ 'Firewall rule “QUIC” lets in what arrives there, too.' ]);
	assert.deepEqual(of({ ...rule, src: '*', proto: undefined, dest_port: '400-500' }).length, 1);
	for (const other of [ { dest_port: [ '80', '443' ] }, { proto: 'tcpudp' }, { proto: [ 'tcp', '17' ] }, { dest: 'lan' }, { src_ip: '192.0.2.1' }, { target: 'accept' } ])
		assert.equal(of({ ...rule, ...other }).length, 1, JSON.stringify(other));
	for (const other of [ { enabled: '0' }, { src: 'lan' }, { proto: 'tcp' }, { target: 'REJECT' }, { dest_port: '444' }, { dest_port: undefined } ])
		assert.deepEqual(of({ ...rule, ...other }), [], JSON.stringify(other));
});
