// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load } from '../lib/modules.mjs';

const valid = load()('latchkey.valid');

function check(validator, good, bad) {
	for (const v of good)
		assert.equal(validator(v), true, JSON.stringify(v));
	for (const v of bad)
		assert.equal(typeof validator(v), 'string', JSON.stringify(v));
}

test('times', () => {
	check(v => valid.openFor(v), [ '30s', '10m', '8h', '1h30m' ], [ '', '10', '10 m', '0s', '1d', '500ms', '-1m', '25h', '1.5h' ]);
	assert.equal(valid.maxOpen('5m', '10m'), 'Must not be shorter than the usual time.');
	assert.equal(valid.maxOpen('10m', '10m'), true);
});

test('ports and spans', () => {
	check(v => valid.doorPorts(v, [ 'tcp' ]), [ '1', '65535', '80 443', '8000-8010', '22 60000-61000/udp', '53/tcp 53/udp' ],
		[ '0', '65536', '080', '2-1', 'ssh', '80,443', '80:90', '80/icmp', '80 80', '80-90 85', Array.from({ length: 33 }, (_, i) => i + 1).join(' ') ]);
	check(v => valid.insidePorts(v, '8000-8010 22'), [ '8000-8010 22', '9000-9010 2222' ], [ '8000-8010', '8000-8009 22', '22 8000-8010', '8000-8010 22/tcp', '1 2 3' ]);
	check(valid.port, [ '1', '65535' ], [ '', '0', '65536', '080', '1-2', 'ssh' ]);
	check(valid.span, [ '20480-26623', '59392-65535' ], [ '', '20480', '20480-26622', '60000-66143', '26623-20480' ]);
});

test('names, titles, hosts', () => {
	check(valid.name, [ 'nas_ssh', 'A1' ], [ '', 'nas ssh', 'nas-ssh', 'ü', 'x'.repeat(65) ]);
	check(valid.hostname, [ 'home.example.net', 'home', 'xn--bcher-kva.example', 'a-1.b_2.example.', '1.example' ],
		[ '', 'a b', '203.0.113.7', '2001:db8::1', 'http://x', '-a.example', 'a-.example', 'a..b', '.a', 'x'.repeat(64) + '.example', 'a.'.repeat(127) + 'bc' ]);
	check(valid.host, [ 'home.example.net', '203.0.113.7', '2001:db8::1' ], [ '', 'a b', 'http://x', 'a&b', 'home.example.net:22', '192.168.1.300', '2001:db8::g', 'a..b', '0.0.0.0', '10.0.0.01', '224.0.0.1', '::', 'ff02::1', '::ffff:0.0.0.0', 'fe80::1%eth0' ]);
	check(valid.hosts, [ [], [ 'home.example.net' ], [ '203.0.113.7', 'home.example.net', '2001:db8::1' ] ], [ [ 'a.example', 'b.example' ], [ 'a.example', 'x y' ] ]);
	assert.equal(valid.title('门'.repeat(42)), true);
	assert.notEqual(valid.title('门'.repeat(43)), true);
});

test('titles have characters that can be seen only, by the daemon’s own rule', () => {
	check(valid.title, [ '', 'NAS – SSH', '<b>&amp;</b>', 'שלום', 'دار', '门', 'é', '😀', '❤\ufe0f' ],
		[ 'a\u202eb', '\u2066a\u2069', 'a\u200bb', '\u{1f468}\u200d\u{1f469}', 'a\tb', 'a\x1bb', 'a\u0085b', 'a\u00a0b', '\ud800', 'a\u2028b', 'a\u00adb' ]);
});

test('IPv6 addresses of hosts, and their ends', () => {
	check(valid.ip6, [ '2001:db8::22', '::22', '::22/-64', '::1:2:3:4', '2001:DB8:1:2:3:4:5:6', 'fd00::1' ],
		[ '', '::', '1.2.3.4', '2001:db8::22/64', '2001:db8::22/-64', 'fe80::1', 'ff02::1', '::ffff:1.2.3.4', '2001:db8::g', '2001:db8::1%eth0', '@010#' ]);
});

test('keys', () => {
	const of = n => Buffer.alloc(n, 0xfb);

	check(valid.key, [ of(32).toString('base64'), of(32).toString('base64url') ], [ '', 'short', of(31).toString('base64'), of(33).toString('base64') ]);
	check(valid.fwknopKey, [ of(1).toString('base64'), of(32).toString('base64') ], [ '', 'changeme', of(33).toString('base64'), of(32).toString('base64url') ]);
	check(valid.fwknopKeyText, [ 'a', 'correct horse', 'ab'.repeat(16) ], [ '', 'a'.repeat(33), 'schöner Schlüssel', 'CHANGEME', '__CHANGE_ME__', 'Your key here', 'XXXX', 'a\tb' ]);
	check(valid.fwknopHmacText, [ 'ab'.repeat(68) ], [ '', 'a'.repeat(137), '<changeme>' ]);
	check(valid.fwknopHmac, [ of(64).toString('base64'), of(136).toString('base64') ], [ '', of(140).toString('base64'), '!' ]);
});

test('widths of networks', () => {
	check(valid.width4, [ '24', '28', '32' ], [ '', '23', '33', '024', '24.0', '/24', '2e1', ' 24', 'all' ]);
	check(valid.width6, [ '48', '64', '128' ], [ '', '47', '129', '064', '6 4', '-64' ]);
});

test('days and times of expiry', () => {
	check(valid.expires, [ '2027-01-31', '2028-02-29', '2027-01-31T18:00:00+01:00', '2027-01-31T18:00:00Z' ],
		[ '2027-02-29', '31.1.2027', '2027-1-31', '2027-01-31 18:00', '2027-01-31T24:00:00Z', '2027-02-29T18:00:00Z' ]);
});

test('sequences as a whole', () => {
	check(valid.steps, [ [ '7000/tcp' ], [ '7000/tcp', '7001/udp' ], [ '7000/tcp', '7000/tcp' ], [ 'icmp:1', 'icmp:2' ] ],
		[ [], [ '7000/tcp', '7001/tcp' ], [ '7000/tcp', 'x' ], Array(33).fill('7000/tcp') ]);
});

test('a page is one of http or https', () => {
	for (const v of [ 'https://knock.example.net/', 'http://192.168.1.1/latchkey/', 'HTTPS://x:8443/a?b=1', 'http://[2001:db8::1]/' ])
		assert.equal(valid.page(v), true, v);
	for (const v of [ '', 'knock.example.net', 'javascript:alert(1)', 'javascript://x/%0aalert(1)', 'data:text/html,x', 'file:///x', 'https://', 'https:///x', 'https://x/#a',
		'https://a b/', ' https://x/', 'https://x/"', 'https://x/\nhttp://y/', 'https://x/' + 'y'.repeat(1100) ])
		assert.equal(typeof valid.page(v), 'string', v);
});
