// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load } from '../lib/modules.mjs';

const plan = load()('latchkey.plan');

const zone = (name, network, more) => Object.assign({ '.type': 'zone', '.name': name, name, network }, more);
const FIREWALL = [ zone('lan', [ 'lan' ]), zone('wan', [ 'modem' ]), zone('guest', 'guest modem_box'), zone('vpn', [ 'office' ], { masq: '1' }), zone('off', [ 'attic' ], { enabled: '0' }) ];
const net = (name, device, address, mask, more) => Object.assign({ interface: name, l3_device: device, 'ipv4-address': [ { address, mask } ] }, more);
const DUMP = [
	net('loopback', 'lo', '127.0.0.1', 8),
	net('lan', 'br-lan', '192.168.1.1', 24, { 'ipv6-prefix-assignment': [ { address: '2001:db8:1::', mask: 64, 'local-address': { address: '2001:db8:1::1' } } ],
		route: [ { target: '10.9.0.0', mask: 16, nexthop: '192.168.1.5' } ] }),
	net('guest', 'br-guest', '192.168.64.1', 18),
	net('modem', 'eth1', '192.168.0.2', 24, { route: [ { target: '0.0.0.0', mask: 0, nexthop: '192.168.0.1' } ] }),
	net('modem_box', 'eth1', '172.20.0.2', 24),
	net('office', 'wg0', '10.8.0.2', 24),
	net('attic', 'br-attic', '192.168.7.1', 24),
	net('tunnel', 'tun0', '10.7.0.1', 24),
	{ interface: 'down', up: false }
];
const subnets = plan.inside(DUMP, [ 'modem' ], FIREWALL);
const hosts = hints => plan.hosts(hints, subnets, plan.notHosts(DUMP)).map(h => [ h.name, h.ip4, h.zone ].join(' '));

test('the networks inside are those of zones where no knock comes in and nothing is masqueraded', () => {
	assert.deepEqual(subnets, [ { address: '192.168.1.1', mask: 24, zone: 'lan' }, { address: '192.168.64.1', mask: 18, zone: 'guest' } ]);
});

test('hosts are those behind the router: not itself, no gateway, no neighbour outside', () => {
	assert.deepEqual(hosts({
		'AA:01': { name: 'nas.lan', ipaddrs: [ '192.168.1.100' ] },
		'AA:02': { ipaddrs: [ '192.168.1.20' ] },
		'AA:03': { ipaddrs: [ '192.168.1.3' ] },
		'AA:04': { name: 'gone' },
		'AA:05': { name: 'router', ipaddrs: [ '192.168.1.1' ] },
		'AA:06': { name: 'router-outside', ipaddrs: [ '192.168.0.2' ] },
		'AA:07': { name: 'router-six', ipaddrs: [ '192.168.1.77' ], ip6addrs: [ '2001:db8:1::1' ] },
		'AA:08': { name: 'gateway', ipaddrs: [ '192.168.0.1' ] },
		'AA:09': { name: 'neighbour', ipaddrs: [ '192.168.0.30' ] },
		'AA:10': { name: 'modem', ipaddrs: [ '172.20.0.1' ] },
		'AA:11': { name: 'phone-abroad', ipaddrs: [ '203.0.113.9' ] },
		'AA:12': { name: 'tv', ipaddrs: [ '192.168.0.99', '192.168.127.7' ] },
		'AA:13': { name: 'colleague', ipaddrs: [ '10.8.0.9' ] },
		'AA:14': { name: 'inner-router', ipaddrs: [ '192.168.1.5' ] },
		'AA:15': { name: 'old', ipv4: '192.168.1.4' },
		'AA:16': { name: 'beyond', ipaddrs: [ '192.168.128.1' ] }
	}), [ 'inner-router 192.168.1.5 lan', 'nas 192.168.1.100 lan', 'old 192.168.1.4 lan', 'tv 192.168.127.7 guest', ' 192.168.1.3 lan', ' 192.168.1.20 lan' ]);
});

test('without hints or networks there are no hosts', () => {
	assert.deepEqual(hosts(null), []);
	assert.deepEqual(plan.hosts({ A: { ipaddrs: [ '192.168.1.9' ] } }, [], []), []);
});

test('a host that is a gateway for everything is none, even in a network inside', () => {
	const dump = [ net('lan', 'br-lan', '192.168.1.2', 24, { route: [ { target: '0.0.0.0', mask: 0, nexthop: '192.168.1.1' } ] }) ];

	assert.deepEqual(plan.hosts({ A: { name: 'box', ipaddrs: [ '192.168.1.1' ] }, B: { name: 'nas', ipaddrs: [ '192.168.1.9' ] } },
		plan.inside(dump, [ 'wan' ], FIREWALL), plan.notHosts(dump)).map(h => h.name), [ 'nas' ]);
});

test('a door leads from the zone outside to the zone of its host', () => {
	const a = { host: { name: 'tv', ip4: '192.168.127.7', zone: 'guest' }, service: 'ssh', proto: [ 'tcp' ], port: '22', outside: '2222', openFor: '10m' };
	const d = plan.doorSection(a, [], 'internet');

	assert.deepEqual([ d.src, d.dest ], [ 'internet', 'guest' ]);
	assert.deepEqual([ plan.doorSection(Object.assign({}, a, { host: { ip4: '10.0.0.1' } }), []).src, plan.doorSection(Object.assign({}, a, { host: { ip4: '10.0.0.1' } }), []).dest ], [ 'wan', 'lan' ]);
});
