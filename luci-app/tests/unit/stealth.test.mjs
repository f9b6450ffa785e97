// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load, parsed, table, without } from '../lib/modules.mjs';

const require = load();
const stealth = require('latchkey.stealth'), reach = require('latchkey.reach');
let number = 0;
const section = (type, options) => ({ '.type': type, '.name': 'cfg' + (++number), ...options });

// A firewall as routers are shipped with.
function stock() {
	return [
		section('defaults', { input: 'REJECT', output: 'ACCEPT', forward: 'REJECT' }),
		section('zone', { name: 'lan', network: [ 'lan' ], input: 'ACCEPT', output: 'ACCEPT', forward: 'ACCEPT' }),
		section('zone', { name: 'wan', network: [ 'wan', 'wan6' ], input: 'REJECT', output: 'ACCEPT', forward: 'DROP', masq: '1' }),
		section('rule', { name: 'Allow-DHCP-Renew', src: 'wan', proto: 'udp', dest_port: '68', target: 'ACCEPT', family: 'ipv4' }),
		section('rule', { name: 'Allow-Ping', src: 'wan', proto: 'icmp', icmp_type: 'echo-request', family: 'ipv4', target: 'ACCEPT' }),
		section('rule', { name: 'Allow-IGMP', src: 'wan', proto: 'igmp', family: 'ipv4', target: 'ACCEPT' }),
		section('rule', { name: 'Allow-DHCPv6', src: 'wan', proto: 'udp', dest_port: '546', family: 'ipv6', target: 'ACCEPT' }),
		section('rule', { name: 'Allow-MLD', src: 'wan', proto: 'icmp', src_ip: 'fe80::/10', icmp_type: [ '130/0', '131/0' ], family: 'ipv6', target: 'ACCEPT' }),
		section('rule', { name: 'Allow-ICMPv6-Input', src: 'wan', proto: 'icmp', limit: '1000/sec', family: 'ipv6', target: 'ACCEPT',
			icmp_type: [ 'echo-request', 'echo-reply', 'packet-too-big' ] }),
		section('rule', { name: 'Allow-ICMPv6-Forward', src: 'wan', dest: '*', proto: 'icmp', family: 'ipv6', target: 'ACCEPT',
			icmp_type: [ 'echo-request', 'packet-too-big' ] }),
		section('rule', { name: 'Allow-IPSec-ESP', src: 'wan', dest: 'lan', proto: 'esp', target: 'ACCEPT' }),
		section('rule', { name: 'Allow-ISAKMP', src: 'wan', dest: 'lan', dest_port: '500', proto: 'udp', target: 'ACCEPT' })
	];
}

function apply(sections, change) {
	for (const c of change)
		sections.find(s => s['.name'] == c.section)[c.option] = c.to;
}

const levels = all => Object.fromEntries(all.map(f => [ f.title, f.level ]));

test('a stock router is not silent, and each thing that answers is named', () => {
	assert.deepEqual(levels(stealth.findings(stock(), [ 'wan', 'wan6' ])), {
		'Connections from zone wan to the router': 'answers',
		'IPv6 connections to hosts in your network': 'answers',
		'Connections within zone wan': 'silent',
		'Ping': 'answers',
		'Ping over IPv6': 'answers',
		'Ping to hosts in your network': 'answers',
		'IPsec to hosts in your network: ESP': 'answers',
		'IPsec to hosts in your network: UDP port 500': 'answers'
	});
	assert.deepEqual(stealth.verdict(stealth.findings(stock(), [ 'wan', 'wan6' ])), { level: 'answers', text: 'Nothing is open, but 7 settings answer to strangers.',
		todo: 'OpenWrt is shipped like this. It is safe, but not invisible.' });
});

test('no rule is taken for a stock one that lets more in', () => {
	const silent = [ section('defaults', { forward: 'DROP' }), section('zone', { name: 'wan', input: 'DROP', forward: 'DROP' }) ];
	const rule = more => stealth.verdict(stealth.findings([ ...silent, section('rule', { name: 'Allow-ISAKMP', src: 'wan', target: 'ACCEPT', ...more }) ], [ 'wan' ])).level;

	assert.equal(rule({ dest: 'lan', proto: 'udp', dest_port: '500 4500' }), 'answers');
	for (const more of [ { proto: 'udp', dest_port: '500' }, { dest: 'lan', proto: 'udp', dest_port: '500 501' }, { dest: 'lan', proto: 'udp' }, { dest: 'lan', proto: 'udp tcp', dest_port: '500' },
		{ dest: 'lan', proto: 'esp tcp' }, { proto: 'esp' }, { dest: 'lan', proto: 'all' }, { proto: 'icmp tcp', icmp_type: 'echo-request', dest_port: '22' } ])
		assert.equal(rule(more), 'open', JSON.stringify(more));
});

test('the word on stock settings is gone when there is more', () => {
	const more = stock().concat(section('rule', { name: 'no smtp', src: 'wan', proto: 'tcp', dest_port: '25', target: 'REJECT' }));

	assert.equal(stealth.verdict(stealth.findings(more, [ 'wan' ])).todo, '');
});

test('the zone’s DROP alone is not enough', () => {
	const sections = stock();

	sections[2].input = 'DROP';

	const f = stealth.findings(sections, [ 'wan' ]).find(x => x.id == 'forward-default');

	assert.equal(f.level, 'answers');
	assert.deepEqual(f.change, [ { section: sections[0]['.name'], option: 'forward', from: 'REJECT', to: 'DROP' } ]);
});

test('every offered change makes its finding silent, and all of them the router', () => {
	const sections = stock();

	for (const f of stealth.findings(sections, [ 'wan' ]))
		if (f.change)
			apply(sections, f.change);

	const after = stealth.findings(sections, [ 'wan' ]);

	assert.deepEqual(after.filter(f => f.level != 'silent'), []);
	assert.equal(stealth.verdict(after).level, 'silent');
	assert.deepEqual(sections.find(s => s.name == 'Allow-ICMPv6-Input').icmp_type, [ 'echo-reply', 'packet-too-big' ], 'IPv6 needs the rest');
});

test('forwards, rejecting rules and open zones are found', () => {
	const sections = stock().concat(
		section('redirect', { name: 'NAS', src: 'wan', src_dport: '2222', dest: 'lan', dest_ip: '192.168.1.5', dest_port: '22', proto: 'tcp', target: 'DNAT' }),
		section('redirect', { name: 'off', src: 'wan', src_dport: '23', enabled: '0', target: 'DNAT' }),
		section('redirect', { name: 'off, too', src: 'wan', src_dport: '25', enabled: 'no', target: 'DNAT' }),
		section('redirect', { name: 'door', src: 'wan', src_dport: '24', ipset: 'latchkey1_x_4', target: 'DNAT' }),
		section('rule', { name: 'no smtp', src: 'wan', proto: 'tcp', dest_port: '25', target: 'REJECT' }),
		section('rule', { name: 'office only', src: 'wan', src_ip: '198.51.100.1', proto: 'tcp', dest_port: '26', target: 'ACCEPT' }),
		section('rule', { name: 'many', src: '*', proto: [ 'tcp', 'udp' ], dest_port: '80 443', target: 'ACCEPT' }));

	sections[2].input = 'ACCEPT';

	const found = levels(stealth.findings(sections, [ 'wan' ]));

	assert.equal(found['Connections from zone wan to the router'], 'open');
	assert.equal(found['Open: TCP port 2222'], 'open');
	assert.equal(found['Refused with an answer: TCP port 25'], 'answers');
	assert.equal(found['Open: TCP, UDP ports 80, 443'], 'open');
	for (const quiet of [ 'Open: TCP, UDP port 23', 'Open: TCP, UDP port 24', 'Open: TCP port 26' ])
		assert.equal(found[quiet], undefined, quiet);
});

test('the zone is found by its network, whatever its name', () => {
	const sections = [ section('defaults', { forward: 'DROP' }), section('zone', { name: 'dsl', network: 'pppoe', input: 'DROP', forward: 'DROP' }) ];

	assert.equal(stealth.verdict(stealth.findings(sections, [ 'pppoe' ])).level, 'silent');
});

// The router decides what of its firewall may be changed, and to what; its tests read the same table.
test('what is offered is what the router would do', { skip: without(table('uplink/silence.tsv')) }, () => {
	for (const [ what, named, at, values, offered, firewall ] of table('uplink/silence.tsv')) {
		const sections = parsed(firewall);
		const changes = stealth.findings(sections, reach.outside(sections, named.split(' ').filter(Boolean)).networks).flatMap(f => f.change || [])
			.filter(c => c.section + ' ' + c.option == at).map(c => [].concat(c.to).join(' '));

		assert.deepEqual(changes, offered ? [ values ] : [], what);
	}
});
