// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load } from '../lib/modules.mjs';

const sequence = load()('latchkey.sequence');

test('steps are read as the daemon reads them', () => {
	for (const good of [ '1/tcp', '65535/udp', '7000/tcp:syn,!ack', 'icmp:0', 'icmp:1452' ])
		assert.ok(sequence.parse(good), good);
	for (const bad of [ '', '7000', '0/tcp', '65536/tcp', '7000/sctp', '8000/udp:syn', '7000/tcp:', '7000/tcp:foo', '7000/tcp:syn,syn',
		'7000/tcp:syn,!syn', 'icmp:', 'icmp:1453', ' 7000/tcp', '-1/tcp' ])
		assert.equal(sequence.parse(bad), null, bad);
});

test('generated sequences are strong and keep away from other ports', () => {
	const avoid = [ [ 20000, 60000 ] ];

	for (let i = 0; i < 300; i++) {
		const steps = sequence.generate(avoid);

		assert.deepEqual(sequence.judge(steps), [], steps.join(' '));
		assert.ok(steps.every(s => parseInt(s) < 19999 || parseInt(s) > 60001), steps.join(' '));
		assert.ok(sequence.bits(steps) >= 70);
	}
	assert.notDeepEqual(sequence.generate([]), sequence.generate([]));
});

test('weak sequences are called so', () => {
	const judged = steps => sequence.judge(steps).map(s => s.split(':')[0]);

	assert.deepEqual(judged([ '7000/tcp', '8000/tcp' ]), [ 'Short', 'Sorted' ]);
	assert.deepEqual(judged([ '9000/tcp', '9015/tcp', '5000/tcp', '60000/tcp' ]), [ 'Near each other' ]);
	assert.deepEqual(judged([ '22/tcp', '9001/udp', '5000/tcp', '60000/tcp' ]), [ 'Well-known ports' ]);
});

test('neighbours are two ports of one protocol beside each other', () => {
	assert.deepEqual(sequence.neighbours([ '7001/tcp', '9000/tcp', '7000/tcp' ]), [ 7000, 7001 ]);
	assert.equal(sequence.neighbours([ '7001/tcp', '7000/udp', '7003/tcp', '7001/tcp', 'icmp:7000' ]), null);
});

test('the file for Knock on Ports has the fields of its version 1', () => {
	assert.deepEqual(sequence.knockOnPorts({ name: 'ssh', host: 'h', steps: [ '7001/tcp', '7002/udp', 'icmp:77' ] }), {
		version: 1,
		sequences: [ { name: 'ssh', host: 'h', delay: 200, ipv: 'both_ipv4_ipv6', uri: '', steps: [
			{ type: 'tcp', port: 7001 }, { type: 'udp', port: 7002 }, { type: 'icmp', icmp_size: 77, icmp_count: 1 } ] } ]
	});
});

test('lines for other programs, where they have words for the steps', () => {
	assert.equal(sequence.knockLine('h', [ '1/tcp', '2/udp' ]), 'knock -d 200 h 1:tcp 2:udp');
	assert.equal(sequence.knockLine('h', [ '1/tcp', 'icmp:5' ]), null);
	assert.equal(sequence.latchkeyLine('h', [ '1/tcp', 'icmp:5' ]), 'latchkey knock h 1/tcp icmp:5');
	assert.equal(sequence.knockdConf('ssh', [ '1/tcp', '2/udp' ]), '[ssh]\n\tsequence = 1:tcp,2:udp\n');
	assert.equal(sequence.knockdConf('ssh', [ '1/tcp:fin' ]), null);
});

test('steps in words', () => {
	assert.deepEqual(sequence.words([ '1/tcp', 'icmp:77', '2/tcp:syn,!ack', 'junk' ]), [ '1 tcp', 'ping of 77 bytes', '2 tcp (syn !ack)', 'junk' ]);
});
